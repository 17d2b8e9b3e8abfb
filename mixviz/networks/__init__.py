"""Trained networks: how they are built and asked, their cards, and those that somebody hands in as files."""
