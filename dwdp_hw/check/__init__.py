"""Compare predictions with measurements: calibrate, validate, report. Needs no GPU for recorded rows."""
