"""The command line, but for the commands that are so short that they stand in :mod:`mixviz.__main__`."""
