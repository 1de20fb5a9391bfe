"""What is stored and who holds it: MoE layers, attention, placements of experts."""
