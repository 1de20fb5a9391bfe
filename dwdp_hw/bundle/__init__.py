"""One file of a machine: its rows, the constants fitted to them and the figures of both; nothing about its owner."""
