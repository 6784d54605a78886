"""People: who uses the desk, whom they belong to, and whose data they may see."""
