"""Copies that a profiler saw in somebody's own run, as programs to replay and rows to validate against."""
