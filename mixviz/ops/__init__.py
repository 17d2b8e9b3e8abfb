"""Single-image operations on a whole batch, with parameters per image, on any device."""
