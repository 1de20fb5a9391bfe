"""Start, run and supervise the processes of a measurement."""
