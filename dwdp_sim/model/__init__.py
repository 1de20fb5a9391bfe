"""Shapes of MoE models and their attention, and the placement of experts on ranks."""
