"""Write down the copies that an engine really issues, and say which plan they are."""
