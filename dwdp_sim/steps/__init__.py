"""Forward steps: requests, compute windows, and the ranks that run them."""
