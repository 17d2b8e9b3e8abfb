"""The pure logic of the page's modules, tested by node without a page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(shutil.which("node") is None, reason="node is missing: install Node.js 20 or newer")
def test_pure_logic_by_node():
    done = subprocess.run(["node", "--test", "tests/web/"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_no_line_of_the_web_code_is_over_120_characters():
    web = ROOT / "assets" / "web"
    long = [
        f"{path.name}:{number}"
        for path in sorted([*web.rglob("*.js"), *web.rglob("*.ts")])
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 120
    ]
    assert long == []


def test_every_class_of_the_styles_is_used():
    web = ROOT / "assets" / "web"
    scripts = [*web.rglob("*.js"), *(ROOT / "mixviz" / "ui").rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in scripts)
    words = set(re.findall(r"mv-[\w-]*\w", code))
    built = {f"{word}-" for word in re.findall(r"(mv(?:-\w+)*)-\$\{", code)}  # `mv-hero-${letter}`
    for path in sorted(web.rglob("*.css")):
        known = set(re.findall(r"\.(mv-[\w-]+)", path.read_text(encoding="utf-8"))) - words
        assert {name for name in known if f"{name.rpartition('-')[0]}-" not in built} == set(), path.name
