"""Who runs a plan besides the simulator."""
