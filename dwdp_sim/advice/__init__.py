"""`dwdp-advise`: which copy strategy to choose, how sure that is, and where it would turn."""
