"""Read copies from traces of profilers and replay them."""
