"""Published gains of DWDP, and what the model says of the same cases."""
