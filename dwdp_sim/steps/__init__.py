"""Forward steps: requests, compute windows, and ranks that prefetch layer by layer while they compute."""
