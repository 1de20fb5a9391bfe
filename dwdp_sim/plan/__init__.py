"""The one plan: who copies what, in which order, issued how."""
