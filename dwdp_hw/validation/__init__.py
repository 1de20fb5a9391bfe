"""Compare predictions with measured rows that no constant was fitted on."""
