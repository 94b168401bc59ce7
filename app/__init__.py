"""The attachment store."""

__version__ = "0.1.0"
