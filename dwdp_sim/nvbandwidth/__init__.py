"""nvbandwidth, a benchmark of one process, as copy programs: what it prints, and what that says about the links."""
