"""What programs call: no pages, JSON in and out."""
