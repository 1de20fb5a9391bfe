"""`dwdp-tune`: the best strategy parameters for one model, machine and load."""
