"""The configuration of a measurement, and its results."""
