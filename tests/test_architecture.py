"""The floors of the architecture: imports point down, without cycles."""

from __future__ import annotations

import ast

from cases import ROOT, generator

# From below: a module may import from its own floor and those below. The most specific prefix counts. The docs' picture
# of the architecture is drawn from this table.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("version", "resources", "i18n", "ui.registry", "core.checks", "core.geometry", "core.jit", "core.tensors"),
    ("ops",),
    ("core",),
    ("extend",),
    ("detectors", "heads", "methods", "objectives"),
    ("core.transforms", ""),
    ("data",),
    ("explain",),
    ("render",),
    ("cam.grad_cam",),
    ("networks",),
    ("cam",),
    ("training", "embeddings", "retrieval"),
    ("evaluation",),
    ("search",),
    ("selection",),
    ("search",),
    ("cli", "ui"),
    ("__main__",),
)


def graph() -> dict[str, set[str]]:
    """Module -> modules of the project that it imports anywhere: in functions and under TYPE_CHECKING too."""
    known = generator().modules(ROOT)
    return {name: set(generator().imported(file, known)) - {name} for name, file in known.items()}


def floor(name: str) -> int:
    """The floor of a module, counted from below."""
    name = name.removeprefix("mixviz").removeprefix(".")
    fits = {
        prefix: number
        for number, prefixes in enumerate(FLOORS)
        for prefix in prefixes
        if name == prefix or (prefix and name.startswith(prefix + "."))
    }
    assert fits, f"{name} stands on no floor: add it to FLOORS."
    return fits[max(fits, key=len)]


def test_imports_point_down():
    edges = graph()
    wrong = [f"{name} -> {other}" for name, others in edges.items() for other in others if floor(other) > floor(name)]
    assert not wrong, "\n".join(sorted(wrong))


def test_no_imports_in_a_circle():
    assert generator().cycles(graph()) == []


def test_a_circle_is_seen():
    assert generator().cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [{"b", "c"}]


def test_imports_name_their_module():
    """A text search finds every use of a module, and the graph above misses none."""
    for path in (ROOT / "mixviz").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path} imports by dots."


def test_few_rooms_at_the_door():
    assert len(list((ROOT / "mixviz").glob("*.py"))) <= 6
