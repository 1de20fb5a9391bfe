"""Build a checked job from a command line, from a configuration or from Python objects."""
