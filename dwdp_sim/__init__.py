"""Predict the latency of DWDP expert prefetch: copy plans and a SimPy contention model."""
