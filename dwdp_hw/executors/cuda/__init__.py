"""One process a GPU runs the plan with copy engines."""
