"""Read Sphinx's roles in docstrings: ``:func:`mixviz.mix``` is code, and a link where the reference has the name."""

import re

import griffe


class Roles(griffe.Extension):
    """Replace roles when an object is loaded."""

    def on_object(self, *, obj: griffe.Object, loader: griffe.GriffeLoader, **_: object) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring:
            obj.docstring.value = re.sub(
                r":(?:class|func|meth|attr|data|mod):`~?([^`]+)`", r"`\1`", obj.docstring.value
            )
