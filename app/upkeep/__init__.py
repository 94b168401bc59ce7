"""Keeping files and index together: what settles by itself, and what people run (check, repair, rebuild, migrate)."""
