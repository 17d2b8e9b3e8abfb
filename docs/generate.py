"""Write the generated parts of the site, and check the built site.

MkDocs runs this file as a hook (``mkdocs.yml``). Before the pages are read it writes ``docs/generated``; in each
page it turns formulas into MathML; at the end it fails if a page would load anything from another server.
``python docs/generate.py FOLDER`` prints how many rooms, imports and cycles the package in a checkout has.
"""

from __future__ import annotations

import ast
import html
import importlib
import inspect
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "generated"
# The package before its modules were grouped into rooms (0.1.0), counted by `structure`.
BEFORE = {"rooms": 51, "imports between rooms": 232, "cycles": 4, "modules directly in mixviz/": 37}


# Generated parts of the pages


def write() -> None:
    """Write every generated part into ``docs/generated``."""
    import mixviz

    extend = importlib.import_module("mixviz.extend")
    parts = {
        "methods.md": entries(mixviz.METHODS, "family"),
        "detectors.md": entries(mixviz.SALIENCY),
        "heads.md": entries(mixviz.HEADS),
        "objectives.md": objectives(mixviz.OBJECTIVES) + entries(mixviz.OBJECTIVES),
        "api.md": reference("mixviz", mixviz.__all__),
        "extend.md": reference("mixviz.extend", set(extend.__all__) - set(mixviz.__all__))
        + links(set(extend.__all__) & set(mixviz.__all__)),
        "architecture.md": architecture(),
        "contributing.md": (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("](docs/", "]("),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "]("),
    }
    TARGET.mkdir(exist_ok=True)
    for name, text in parts.items():
        if not (TARGET / name).is_file() or (TARGET / name).read_text(encoding="utf-8") != text:
            (TARGET / name).write_text(text, encoding="utf-8")
    shutil.copy2(ROOT / "assets" / "screenshot.jpg", TARGET)


def entries(catalogue: dict[str, Any], group: str = "") -> str:
    """Return title, text, parameters and source of every entry of a catalogue, by family where one is named."""
    lines, family = [], None
    for name, cls in catalogue.items():
        card = cls.card
        if group and card.family != family:
            family = card.family
            lines += [f"### Family: {family}", ""]
        text = re.sub(r"\n?\$\$\n?", "\n$$\n", inspect.cleandoc(cls.__doc__ or ""))
        lines += [f"{'####' if group else '###'} {card.title} {{: #{name} }}", "", f"`{name}`", "", plain(text), ""]
        rows = [row(key, about) for key, about in cls.parameters().items()]
        if rows:
            lines += ["| parameter | default | range | meaning |", "| --- | --- | --- | --- |", *rows, ""]
        if card.aliases:
            lines += [f"Also called: {', '.join(card.aliases)}", ""]
        if card.citation:
            lines += [f"Source: [{card.citation}]({card.url})" if card.url else f"Source: {card.citation}", ""]
    return "\n".join(lines)


def objectives(catalogue: dict[str, Any]) -> str:
    """Return the table of what each objective needs and takes."""
    rows = [
        f"| [{cls.card.title}](#{name}) | `{name}` | {'yes' if cls.labels else 'no'} | {'yes' if cls.mixes else 'no'} "
        f"| {'yes' if cls.proxies else 'no'} |"
        for name, cls in catalogue.items()
    ]
    head = "| objective | name | needs labels | takes methods that mix labels | learns a vector of each class |"
    return "\n".join([head, "| --- | --- | --- | --- | --- |", *rows, "", ""])


def row(name: str, about: dict[str, Any]) -> str:
    """Return a parameter's row of a Markdown table."""
    choices = ", ".join(f"`{choice}`" for choice in about["choices"] or ())
    limits = choices or (f"{about['low']} to {about['high']}" if about["low"] is not None else "")
    return f"| `{name}` | `{about['default']}` | {limits} | {about['text'].replace('|', chr(92) + '|')} |"


def plain(text: str) -> str:
    """Return a docstring without Sphinx's roles: ``:func:`name``` becomes ```name```."""
    return re.sub(r":(?:class|func|meth|attr|data|mod):`~?([^`]+)`", r"`\1`", text)


def reference(module: str, names: Iterable[str]) -> str:
    """Return the reference of a module's public names, for mkdocstrings."""
    return "\n\n".join(f"::: {module}.{name}" for name in sorted(names, key=str.lower) if name != "__version__") + "\n"


def links(names: Iterable[str]) -> str:
    """Return a paragraph of links to names that the reference of ``mixviz`` describes."""
    known = ", ".join(f"[`{name}`][mixviz.{name}]" for name in sorted(names, key=str.lower))
    return f"\n`mixviz.extend` also exports {known}, which the [API](api.md) describes.\n"


# The architecture, as a picture and as numbers


def floors() -> list[list[str]]:
    """Return the rooms of each floor, the lowest first, from the table ``FLOORS`` of ``tests/test_architecture.py``.

    Raises:
        ValueError: the test has no such table.
    """
    file = ROOT / "tests" / "test_architecture.py"
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "FLOORS" for target in targets):
            table = ast.literal_eval(node.value)
            return [["mixviz" if room == "" else room for room in floor] for floor in table]
    raise ValueError(f"{file} has no table FLOORS: the picture of the architecture is drawn from it.")


def modules(root: Path) -> dict[str, Path]:
    """Return name and file of every module of ``mixviz`` in a checkout."""
    files = sorted((root / "mixviz").rglob("*.py"))
    return {".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imported(file: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of ``mixviz`` that a file imports, in functions and for types too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            while name and name not in known:
                name = name.rpartition(".")[0]
            if name:
                yield name


def structure(root: Path) -> dict[str, int]:
    """Count rooms (packages and modules directly in ``mixviz/``), imports between them, and cycles of modules."""
    known = modules(root)
    graph = {name: set(imported(file, known)) - {name} for name, file in known.items()}
    room = {name: [*name.split("."), "mixviz"][1] for name in known}
    pairs = {(room[a], room[b]) for a, targets in graph.items() for b in targets if room[a] != room[b]}
    top = [file for file in known.values() if file.parent == root / "mixviz"]
    counts = (len(set(room.values())), len(pairs), len(cycles(graph)), len(top))
    return dict(zip(BEFORE, counts, strict=True))


def cycles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the groups of modules that import each other, directly or through others."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen, todo = set(), [start]
        while todo:
            new = graph[todo.pop()] - seen
            seen |= new
            todo += new
        reach[start] = seen
    groups = {frozenset(b for b in reach[a] if a in reach[b]) for a in graph if a in reach[a]}
    return [set(group) for group in groups]


def architecture() -> str:
    """Return the picture of the floors and the numbers before and after."""
    after = structure(ROOT)
    rows = [f"| {what} | {before} | {after[what]} |" for what, before in BEFORE.items()]
    return "\n".join([picture(floors()), "", "| | before | now |", "| --- | ---: | ---: |", *rows, ""])


def picture(levels: list[list[str]]) -> str:
    """Return the floors as an SVG, the lowest at the bottom; the colours follow the page."""
    width, high, gap, letter = 760, 34, 10, 8
    lines = []
    for level, rooms in enumerate(levels):
        y = (len(levels) - 1 - level) * (high + gap) + gap
        widths = [max(60, letter * len(room) + 20) for room in rooms]
        x = (width - sum(widths) - gap * (len(rooms) - 1)) / 2
        for room, wide in zip(rooms, widths, strict=True):
            lines += [
                f'<rect x="{x:.0f}" y="{y}" width="{wide}" height="{high}" rx="4" fill="none" stroke="currentColor"/>',
                f'<text x="{x + wide / 2:.0f}" y="{y + 22}" text-anchor="middle" fill="currentColor" '
                f'font-size="14" font-family="monospace">{html.escape(room)}</text>',
            ]
            x += wide + gap
    height = len(levels) * (high + gap) + gap
    said = "; ".join(f"floor {level}: {', '.join(rooms)}" for level, rooms in enumerate(levels))
    head = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Floors from below. {html.escape(said)}">'
    return f"{head}{''.join(lines)}</svg>"


# MkDocs' hooks


def on_pre_build(config: Any) -> None:
    """Write the generated parts."""
    write()


def on_page_content(text: str, **_: Any) -> str:
    """Turn formulas into MathML, which browsers draw without a script."""
    from latex2mathml.converter import convert

    def formula(match: re.Match) -> str:
        return convert(html.unescape(match[2]), display="block" if match[1] == "[" else "inline")

    return re.sub(r"\\([\[(])(.*?)\\[\])]", formula, text, flags=re.S) if "arithmatex" in text else text


def on_post_build(config: Any) -> None:
    """Fail on a script, style, font or picture from another server.

    Raises:
        ValueError: with page and address.
    """
    outside = re.compile(
        r"<(?:script|img|iframe|source)\b[^>]*\ssrc=[\"']?((?:https?:)?//[^\s\"'>]+)"
        r"|<link\b(?=[^>]*rel=[\"']?(?:stylesheet|preconnect|preload|icon))[^>]*\shref=[\"']?((?:https?:)?//[^\s\"'>]+)"
        r"|(?:url\(|@import )[\"']?((?:https?:)?//[^\s\"')]+)"
    )
    for file in sorted(Path(config["site_dir"]).rglob("*")):
        if file.suffix in (".html", ".css") and (match := outside.search(file.read_text(encoding="utf-8"))):
            address = next(filter(None, match.groups()))
            raise ValueError(f"{file}: the page would fetch {address}. The site has to work offline.")


if __name__ == "__main__":
    print(structure(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT)))
