"""Many pictures through many networks: what they predict, where they look, and how well that fits the objects."""
