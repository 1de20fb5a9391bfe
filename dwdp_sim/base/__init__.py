"""What everything uses: errors, units, arrays, files, estimates."""
