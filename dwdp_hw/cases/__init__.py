"""What is measured, and what comes back."""
