"""Processes of a measurement, from start to end."""
