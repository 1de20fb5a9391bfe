"""Many jobs in one results folder."""
