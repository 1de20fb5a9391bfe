"""What came out, as figures, files, tables and pictures."""
