"""Predictions against measured rows, out of sample."""
