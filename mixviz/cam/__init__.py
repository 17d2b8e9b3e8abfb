"""Heat maps of trained networks: kinds of maps, boxes, scales, drawings, and how far to trust them."""
