"""What is done to the pixels of a whole batch at once, each image with numbers of its own, on any device."""
