"""What runs inside the engine's own processes: the standard library alone, since nothing else is known to be there."""
