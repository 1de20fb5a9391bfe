"""A sweep's HTML report."""
