"""Search for an augmentation, and a judge that compares trainings fairly.

Optuna is imported where it is used.
"""
