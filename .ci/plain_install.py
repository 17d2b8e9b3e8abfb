"""Install ``requirements.txt`` as a hosted Space does, and check what it gives.

pip gets the file as it stands, and resolves, orders and installs it on its own into a second, fresh environment. Only
torch and torchvision (5 GB) are replaced by empty packages of their names. Checked are that everything else resolves
and installs, that ``cv2.saliency`` is there although grad-cam brings another OpenCV, that numba is there, and that
`make` has installed the same versions.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAND_INS = ("torch", "torchvision")
CHECK = "import cv2, numba, pillow_heif; assert hasattr(cv2, 'saliency'), 'cv2.saliency is missing'"


def empty_wheel(name: str, folder: Path) -> None:
    """Write a package without content, newer than any real one."""
    info = f"{name}-9999.dist-info"
    with zipfile.ZipFile(folder / f"{name}-9999-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 9999\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def versions(python: Path) -> dict[str, str]:
    """Return name and version of every package of an environment."""
    told = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True)
    return {package["name"].lower(): package["version"] for package in json.loads(told.stdout)}


def main() -> None:
    """Install, check and compare."""
    made = versions(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        for name in STAND_INS:
            empty_wheel(name, folder)
        pip = [
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-compile",
            "--find-links",
            folder,
            "-r",
            ROOT / "requirements.txt",
        ]
        subprocess.run(pip, check=True)
        subprocess.run([python, "-c", CHECK], check=True)
        plain = versions(python)
    own = {"pip", "setuptools", *STAND_INS}
    other = {name: (version, made.get(name)) for name, version in plain.items() if name not in own}
    other = {name: both for name, both in other.items() if both[0] != both[1]}
    assert not other, f"A plain install and make give different versions (plain, make): {other}"
    print(f"requirements.txt alone: {len(plain)} packages, the same as by make, with cv2.saliency")


if __name__ == "__main__":
    main()
