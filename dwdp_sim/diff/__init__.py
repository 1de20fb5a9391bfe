"""Say what moved between two clusters, runs or results folders, by how much, and whether beyond noise."""
