"""Constants from measured rows."""
