"""A batch as a training sees it: its pictures, every image mixed with its partner, and all of it as files."""
