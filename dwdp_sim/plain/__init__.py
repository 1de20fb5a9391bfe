"""Plain words and flags for the questions that people ask, translated into the command lines of Hydra's apps."""
