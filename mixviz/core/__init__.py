"""Plan and apply mixtures: batches, recipes, the code that blends pixels, and the base classes of methods and
detectors."""
