"""The kernels of a model's layer as torch has them, and the time that they take; importing needs no torch."""
