"""Training with any method of the catalogue: data loading, the training loop, checkpoints and resuming."""
