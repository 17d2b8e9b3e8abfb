"""``make bench``: speed compared with the libraries a user would take instead, as ratios within one run.

python -m benchmarks.run [mixing] [saliency] [pipeline] [catalogue] [page] [looks] [--rounds N] [--out results.json]
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.util
import json
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import catalogue, looks, mixing, page, pipeline, saliency

PARTS = ("mixing", "saliency", "pipeline", "catalogue", "page", "looks")


def machine() -> str:
    """Describe the machine and the versions in a sentence."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")] or [platform.machine()]
    versions = []
    for name in ("torch", "torchvision", "timm", "kornia", "opencv-contrib-python-headless", "numba", "gradio"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions.append(f"{name} {metadata.version(name)}")
    return (
        f"Measured on {datetime.date.today()}, {os.cpu_count()} cores ({names[0]}), no GPU; "
        f"Python {platform.python_version()}, {', '.join(versions)}. Batches of 128 images at 32 and 64 px, of "
        "64 at 224 px; candidates take turns, the best round of each counts."
    )


def main() -> None:
    """Measure the chosen parts and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds; the best of each counts")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path, help="write every figure as JSON as well")
    parser.add_argument("--readme", type=Path, help="put the tables into this Markdown file (docs/measured.md) as well")
    options = parser.parse_args()
    parts, figures, pages = options.parts or PARTS, {}, []

    def show(text: str) -> None:
        print(text, flush=True)
        pages.append(text)

    show(f"{machine()}\n")
    for part, module in (("mixing", mixing), ("saliency", saliency)):
        if part in parts:
            figures[part] = [entry for t in options.threads for entry in module.measure(t, options.rounds)]
            show(module.report(figures[part]))
    if "pipeline" in parts:
        figures["pipeline"] = pipeline.of_bundled()
        show(pipeline.report(**figures["pipeline"]))
    if "catalogue" in parts:
        figures["catalogue"] = catalogue.write(options.rounds)
        show(catalogue.report(figures["catalogue"]))
    in_browser = [(part, module) for part, module in (("page", page), ("looks", looks)) if part in parts]
    if in_browser and importlib.util.find_spec("playwright") is None:
        print("playwright is not installed: the page is left out (pip install -e '.[dev]')")
        in_browser = []
    for part, module in in_browser:
        figures[part] = module.measure()
        show(module.report(figures[part]))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.readme:
        # The first page gives machine and date, which after a partial run would be wrong for the other parts.
        rewrite(options.readme, "\n".join(pages if set(parts) == set(PARTS) else pages[1:]))


def rewrite(readme: Path, measured: str) -> None:
    """Replace the tables with the same headings by the measured ones, and keep the others."""
    head, _, rest = readme.read_text(encoding="utf-8").partition("<!-- speed -->\n")
    body, _, tail = rest.partition("<!-- /speed -->")
    tables = sections(body) | sections(measured)
    text = "\n\n".join(table.strip() for table in tables.values())
    readme.write_text(f"{head}<!-- speed -->\n{text}\n<!-- /speed -->{tail}", encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """Split Markdown into tables by heading; the text before the first heading has an empty key."""
    parts = re.split(r"^(?=### )", text, flags=re.M)
    return {part.split("\n")[0] if part.startswith("### ") else "": part for part in parts if part.strip()}


if __name__ == "__main__":
    main()
