"""What only the demo has: its supervisor, its mailbox, its people. Not part of a desk in production."""
