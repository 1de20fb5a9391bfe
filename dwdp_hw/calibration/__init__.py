"""Fit the constants of a cluster to measured rows."""
