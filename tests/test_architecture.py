"""The floors of the house: imports point down, and never in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
# From below: a module imports from its own floor and those under it. The most specific prefix counts. The docs' picture
# of the architecture is drawn from this table.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("version", "resources", "i18n", "ui.registry", "core.checks", "core.geometry", "core.tensors"),
    ("ops",),
    ("core",),
    ("extend",),
    ("detectors", "methods"),
    ("core.transforms", ""),
    ("data",),
    ("explain",),
    ("render",),
    ("cam.grad_cam",),
    ("networks",),
    ("cam",),
    ("training", "embeddings"),
    ("evaluation",),
    ("selection",),
    ("cli", "ui"),
    ("__main__",),
)


def modules() -> dict[str, Path]:
    """Dotted name without ``mixviz.`` -> file; the package itself is ``""``."""
    found = {}
    for path in (ROOT / "mixviz").rglob("*.py"):
        parts = path.relative_to(ROOT / "mixviz").with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(known: dict[str, Path]) -> dict[str, set[str]]:
    """Module -> modules of the project that it imports anywhere: in functions and under TYPE_CHECKING too."""
    edges: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            wanted = []
            if isinstance(node, ast.Import):
                wanted = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path} imports by dots: name the module, so that a search finds it."
                wanted = [
                    full if (full := f"{node.module}.{alias.name}").partition(".")[2] in known else str(node.module)
                    for alias in node.names
                ]
            ours = [one for one in wanted if one.partition(".")[0] == "mixviz"]
            edges[name] |= {one.partition(".")[2] for one in ours} - {name}
    return edges


def floor(name: str) -> int:
    """The floor of a module, counted from below."""
    fits = {
        prefix: number
        for number, prefixes in enumerate(FLOORS)
        for prefix in prefixes
        if name == prefix or (prefix and name.startswith(prefix + "."))
    }
    assert fits, f"{name} stands on no floor: add it to FLOORS."
    return fits[max(fits, key=len)]


def cycles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that import each other, directly or by way of others."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for other in edges.get(todo.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return seen

    reach = {name: reached(name) for name in edges}
    found: list[set[str]] = []
    for name in edges:
        if name in reach[name] and not any(name in group for group in found):
            found.append({other for other in reach[name] if name in reach.get(other, ())})
    return found


def test_imports_point_down():
    edges = imports(modules())
    wrong = [f"{name} -> {other}" for name, others in edges.items() for other in others if floor(other) > floor(name)]
    assert not wrong, "\n".join(sorted(wrong))


def test_no_imports_in_a_circle():
    assert cycles(imports(modules())) == []


def test_a_circle_is_seen():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [{"b", "c"}]


def test_few_rooms_at_the_door():
    assert len(list((ROOT / "mixviz").glob("*.py"))) <= 6
