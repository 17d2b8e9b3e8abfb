"""Plan and apply mixtures: batches, recipes, the code that blends pixels, and the bases of both catalogues."""
