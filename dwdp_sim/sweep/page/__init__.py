"""Write the HTML report of a sweep."""
