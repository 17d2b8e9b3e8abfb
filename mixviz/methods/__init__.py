"""One file per augmentation; :func:`mixviz.method.discover` finds them."""
