"""Measured rows and bundles as sides of a comparison."""
