"""Cases to measure, and the results that ranks return."""
