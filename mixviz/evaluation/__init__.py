"""How good a trained network is: everything that is measured of one, in parts, and how it gets into its card."""
