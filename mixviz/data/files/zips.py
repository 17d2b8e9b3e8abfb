"""Read untrusted zips: list members by name, and unpack one at a time in memory within limits."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mixviz.data.decoding import hidden

MB = 2**20


class Limits(NamedTuple):
    """Limits of a zip: number of files, and unpacked bytes of each file and of all together."""

    files: int = 20_000
    each: int = 100 * MB
    all: int = 4096 * MB


@contextmanager
def opened(path: Path, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """Open a zip after checking its list of members against the limits.

    Raises:
        ValueError: damaged, encrypted or beyond the limits; says what to do.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is damaged ({error}): make it anew.") from None
    with archive:
        infos = archive.infolist()
        smaller = "make several zips of it, or unpack it and name the folder"
        if len(infos) > limits.files:
            raise ValueError(f"{path.name} holds {len(infos)} files, and {limits.files} are allowed: {smaller}.")
        if any(info.flag_bits & 1 for info in infos):
            raise ValueError(f"{path.name} is encrypted: make one without a password.")
        large = next((info for info in infos if info.file_size > limits.each), None)
        if large:
            name, size = large.filename, large.file_size // MB
            raise ValueError(
                f"{name!r} in {path.name} is {size} MB, and {limits.each // MB} are allowed: leave it out."
            )
        total = sum(info.file_size for info in infos)
        if total > limits.all:
            size = f"{total // MB} MB when unpacked, and {limits.all // MB} are allowed"
            raise ValueError(f"{path.name} holds {size}: {smaller}.")
        yield archive


def members(archive: zipfile.ZipFile) -> dict[str, Callable[[], BinaryIO]]:
    """All files of a zip except hidden ones; of duplicate names the last, as unpacking would leave it."""
    files: dict[str, Callable[[], BinaryIO]] = {}
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")
        if not info.is_dir() and not any(hidden(part) for part in name.split("/")):
            files[name] = _member(archive, info)
    return files


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def unpack() -> BinaryIO:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # no size limit for others
            raise ValueError("It is packed in a way that is not known here: make a plain zip (deflate).")
        try:
            with archive.open(info) as file:
                # With an explicit size, zipfile never unpacks more than the list of members declares.
                return io.BytesIO(file.read(info.file_size))
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise ValueError(f"It is damaged in the zip ({error}): make the zip anew.") from None

    return unpack
