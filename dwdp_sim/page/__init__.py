"""The page on a sweep: one HTML file that needs no network."""
