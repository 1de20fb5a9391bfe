"""The compiled engine: the event loop of `simulation` and `links` on arrays, with the same answers to the last bit."""
