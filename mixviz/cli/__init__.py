"""Longer commands of ``python -m mixviz``; the short ones are in :mod:`mixviz.__main__`."""
