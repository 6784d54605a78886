"""Support points: lots that were bought, charges that spent them, and every entry between (R1–R3)."""
