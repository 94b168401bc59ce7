"""Fixtures that start the product."""
