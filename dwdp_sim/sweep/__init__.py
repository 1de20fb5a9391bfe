"""Many jobs, one results folder: resumable, shared by workers, under any Hydra launcher."""
