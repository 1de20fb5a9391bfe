"""Sweeps: run many jobs into one results folder, resume them, query and report their rows."""
