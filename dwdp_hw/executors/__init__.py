"""Executors of a plan besides the simulator: CUDA, and host memory."""
