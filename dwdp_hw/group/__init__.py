"""The group of ranks: how processes find one another, meet, and notice that one is lost."""
