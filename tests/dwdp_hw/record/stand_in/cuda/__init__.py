"""Stands in for NVIDIA's library where there is no GPU; see `cuda.bindings.runtime` beside it."""
