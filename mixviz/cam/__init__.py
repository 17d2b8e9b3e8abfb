"""Where networks look: kinds of heat maps, their boxes, scales and pictures, and how far they can be trusted."""
