"""`dwdp-advise`: recommend a copy strategy, say how certain that is, and when it would change."""
