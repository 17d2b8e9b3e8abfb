"""Operations on the pixels of a whole batch, each image with its own numbers, on any device."""
