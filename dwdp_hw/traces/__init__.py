"""Copies in the traces of profilers."""
