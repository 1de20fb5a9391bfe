"""Run copy plans on real GPUs and compare them with their prediction. Importing this needs no GPU and no CUDA."""
