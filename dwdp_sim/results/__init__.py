"""Predictions, and their summaries, files, tables and pictures."""
