"""View of the family tree: every idea with its relatives, as plain data. The script draws the layout."""

from __future__ import annotations

from typing import Any

from mixviz.core.parameters import FAMILIES
from mixviz.i18n import in_language
from mixviz.selection import lineage
from mixviz.ui.registry import View
from mixviz.ui.state import Request


def tree(request: Request) -> dict[str, Any]:
    """Return the ideas, the oldest first; they do not depend on the pictures."""
    found = lineage.tree()
    lanes = {idea.card.family for idea in found.values()}
    return {
        "families": [family for family in FAMILIES if family in lanes] + sorted(lanes - set(FAMILIES)),
        "ideas": [
            {
                "name": name, "title": in_language(f"title.{name}", request.language, idea.card.title),
                "family": idea.card.family, "year": idea.year, "month": idea.month, "parents": list(idea.parents),
                "children": list(idea.children), "citation": idea.card.citation, "url": idea.card.url,
                "label": idea.card.label, "ancestor": idea.ancestor,
            }
            for name, idea in found.items()
        ],
    }  # fmt: skip


VIEW = View("tree", 30, tree, "choose", controls=(), example="idea=cutmix")
