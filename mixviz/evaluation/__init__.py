"""Evaluation of trained networks, part by part, into their cards."""
