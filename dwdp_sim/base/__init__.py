"""Building blocks that every package uses: errors, units, arrays, files, estimates."""
