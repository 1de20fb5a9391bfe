"""Run a plan on GPUs: one process for each GPU, with its copy engines."""
