"""Commands of ``python -m mixviz`` that are more than a few lines; the others stand in :mod:`mixviz.__main__`."""
