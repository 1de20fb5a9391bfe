"""The format of a measured row: written, read and predicted in one place."""
