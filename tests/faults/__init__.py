"""Processes that are killed at each step of mail in and out: nothing is lost, one Message-ID (D29, D30)."""
