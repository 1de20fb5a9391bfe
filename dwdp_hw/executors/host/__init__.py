"""The same processes run the plan on host memory, without a GPU."""
