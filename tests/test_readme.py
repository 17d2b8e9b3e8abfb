"""README, CONTRIBUTING and docs: their code runs, their tables match the data, and their links work."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest
import torch
from cases import generator
from PIL import Image

import mixviz
from mixviz import extend
from mixviz.data import pictures
from mixviz.evaluation import questions, zoo_tables
from mixviz.explain import serialize

ROOT = Path(__file__).parent.parent
GENERATED = ROOT / "docs" / "generated"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "models" / "README.md")
    if not path.is_relative_to(GENERATED)
}
PYTHON = [
    pytest.param(code, id=f"{page}-{index}")
    for page, text in PAGES.items()
    for index, code in enumerate(re.findall(r"```python\n(.*?)```", text, re.S))
]
ENGINEERS = PAGES["docs/guides/engineers.md"]
PORT = "http://127.0.0.1:7860/"


def block(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", ENGINEERS, re.S)[0]


def run(code: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Run a block in its own module, with a reader's images, labels, data set and loader."""
    page = types.ModuleType("a_page")
    monkeypatch.setitem(sys.modules, page.__name__, page)  # where dataclasses look up their annotations
    images, labels = torch.rand(8, 3, 32, 32), torch.arange(8) % 4
    dataset = torch.utils.data.TensorDataset(images, labels)
    loader = torch.utils.data.DataLoader(dataset, batch_size=4)
    vars(page).update(images=images, labels=labels, dataset=dataset, loader=loader, torch=torch)
    exec(compile(code, "a page", "exec"), vars(page))
    return page


@pytest.mark.parametrize("code", PYTHON)
def test_python_runs(code, monkeypatch):
    run(code, monkeypatch)


def test_pages_have_python():
    assert len(PYTHON) >= 12
    assert "```python" in PAGES["README.md"]


def test_contributing_adds_what_works(monkeypatch):
    method, detector, view = (
        run(code, monkeypatch) for code in re.findall(r"```python\n(.*?)```", PAGES["CONTRIBUTING.md"], re.S)
    )
    images = torch.rand(4, 3, 32, 32)
    maps = detector.Edges()(mixviz.Batch(images))
    assert maps.shape == (4, 32, 32)
    assert 0 <= maps.min() <= maps.max() <= 1
    mixed, recipe = mixviz.mix(images, method=method.Stripes(width=8), seed=0)
    assert mixed.shape == images.shape
    assert torch.allclose(recipe.share.sum(0), torch.ones(4))
    photograph = pictures.photograph_path("bee.jpg")
    state = types.SimpleNamespace(a=photograph, b=photograph)
    mean = view.VIEW.answer(state)["means"][0]
    assert mean == pytest.approx(pictures.tile(photograph, 224).mean())


@pytest.mark.parametrize("code", [code for code in PYTHON if "class " in code.values[0]])
def test_own_classes_import_from_extend_alone(code):
    taken = {node.module for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)}
    assert {name for name in taken if name.startswith("mixviz")} == {"mixviz.extend"}


def test_extend_has_what_it_lists():
    assert set(extend.__all__) == {name for name in vars(extend) if not name.startswith("_")}


def test_readme_is_short():
    assert len(PAGES["README.md"].encode()) <= 12_000


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    text = re.sub(r"```.*?```", "", PAGES[page], flags=re.S)
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"https?://|mailto:", link):
            assert link.startswith("generated/") or (ROOT / page).parent.joinpath(link).exists(), f"{page}: {link}"


def test_catalogue_is_the_methods():
    table = PAGES["docs/catalogue.md"].split("<!-- methods -->\n")[1].split("<!-- /methods -->")[0]
    assert table == serialize.catalogue_markdown(), "run: python -m mixviz methods --readme docs/catalogue.md"


@pytest.mark.parametrize("page", ["docs/findings.md", "docs/measured.md", "models/README.md"])
def test_zoo_tables_are_the_cards(page):
    tables = zoo_tables.all_tables()
    places = [name for name in tables if f"<!-- {name} -->" in PAGES[page]]
    assert places
    for name in places:
        text = serialize.replace_section(PAGES[page], name, tables[name])
        assert text == PAGES[page], f"run: python -m mixviz zoo table {page}"


def test_every_question_is_in_the_findings():
    for key in questions.QUESTIONS:
        assert f"<!-- question {key} -->" in PAGES["docs/findings.md"]


def test_speeds_are_the_measured_ones():
    measured = json.loads((ROOT / "benchmarks" / "catalogue.json").read_text(encoding="utf-8"))["methods"]
    section = PAGES["docs/measured.md"].split("### Every method")[1].split("###")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"][
        2:
    ]
    assert [row[0] for row in rows] == list(measured)
    for name, rate, *_ in rows:
        assert rate.startswith("≈") == ("estimated" in measured[name])
        number = float(rate.lstrip("≈ ").rstrip("kM")) * {"k": 1e3, "M": 1e6}.get(rate[-1], 1)
        assert number == pytest.approx(measured[name]["rate"], rel=0.005), name
    assert list(measured) == list(mixviz.METHODS)


def test_versions_agree():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    released = re.findall(r"^## (\d\S*)", PAGES["CHANGELOG.md"], re.M)
    assert re.search(r"^version: (\S+)$", citation, re.M)[1] == mixviz.__version__ == released[0]


def test_requirements_are_all_that_make_installs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    ready = make.split("$(VENV)/ready:")[1].split("$(VENV)/ready-dev:")[0]
    assert "install -q -e ." in ready  # the package itself, with no extra
    assert project["optional-dependencies"]["fast"] == []
    stated = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert re.search("^numba", stated, re.M)
    assert re.search("^pillow-heif", stated, re.M)


def test_pages_are_generated_from_the_catalogues():
    generate = generator()
    text = generate.entries(mixviz.METHODS, "family")
    assert all(f"{{: #{name} }}" in text for name in mixviz.METHODS)
    assert "| `alpha` | `1.0` | 0.05 to 8 |" in text
    assert (
        generate.plain("see :func:`mixviz.mix` and :class:`~mixviz.Recipe`") == "see `mixviz.mix` and `mixviz.Recipe`"
    )
    names = re.findall(r"^::: (\S+)$", generate.reference("mixviz", mixviz.__all__), re.M)
    assert names == [f"mixviz.{name}" for name in sorted(mixviz.__all__, key=str.lower) if name != "__version__"]


def test_cycles_are_counted():
    generate = generator()
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert sorted(map(sorted, generate.cycles(graph))) == [["a", "b", "c"], ["d", "e"]]


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/x.js">', '<link href="//fonts.example/a.css" rel="stylesheet">',
        "<img alt='' src='http://example/a.png'>", "@import 'https://example/a.css';", "a { background: url(//x/b) }",
    ],
)  # fmt: skip
def test_a_page_that_fetches_from_elsewhere_fails(html, tmp_path):
    (tmp_path / "a.css").write_text('b { background: url("data:image/png;base64,//8=") }')
    (tmp_path / "a.html").write_text('<a href="https://example.org">a link may leave</a>')
    generator().on_post_build({"site_dir": tmp_path})
    (tmp_path / "b.html").write_text(html)
    with pytest.raises(ValueError, match="would fetch"):
        generator().on_post_build({"site_dir": tmp_path})


@pytest.fixture
def a_cat(two_files, tmp_path, monkeypatch):
    """Write the reader's picture into the working folder."""
    Image.open(two_files[0]).save(tmp_path / "cat.jpg")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("a_cat")
def test_the_client_in_python(address):
    pytest.importorskip("gradio_client")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(block("py").replace(PORT, address), {})
    assert "lion" in output.getvalue()
    assert re.search(r"A’s label, by area = \d+ ÷ \(224 × 224\) = 0\.\d+", output.getvalue())


@pytest.mark.usefixtures("a_cat")
@pytest.mark.skipif(not all(map(shutil.which, ("curl", "sh"))), reason="curl is not installed")
def test_curl(address):
    script = block("sh").replace(PORT, address)
    output = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60).stdout
    assert "event: complete" in output
    assert "data:image/png;base64," in output
    assert '"share"' in output
