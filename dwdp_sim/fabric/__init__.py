"""The simulated executor: links, copy engines, their constants, and the hypotheses about them."""
