"""Training with any method of the catalogue: a run, its loop, checkpoints and resuming."""
