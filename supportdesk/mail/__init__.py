"""Mail: an outbox of rows (D30), and what comes in kept raw first (D29). The lowest room: it knows no incident."""
