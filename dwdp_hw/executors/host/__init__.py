"""Run a plan on host memory, without a GPU, by the same processes."""
