"""Is this machine healthy: what NVML says of its GPUs, and measured rates beside those of others of its kind."""
