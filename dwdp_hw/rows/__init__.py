"""Measured rows: their format, and how they are written, read and predicted."""
