"""Build a measurement from its configuration, and write its results."""
