"""Ranks among ranks: how processes find, wait for and lose one another."""
