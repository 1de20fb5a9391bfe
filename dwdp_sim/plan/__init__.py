"""Copy plans: which rank copies what, in which order, and in which driver calls."""
