"""Index on disk: a folder with a head, chunks of vectors, and the names of their pictures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from mixviz.core.head import Whitening
from mixviz.networks.files import load_tensors, save_tensors, write

HEAD, WHITENING = "index.json", "whitening.safetensors"
CHUNK = 4096  # pictures: 8 MB of vectors of 512 dimensions
SAMPLED = 50_000  # vectors that a whitening is fitted to


@dataclass(frozen=True)
class Head:
    """What an index was made of.

    Attributes:
        network: as it was named, a network of the zoo or a folder.
        sha256: of its weights.
        dimensions: D of its vectors.
        root: the folder of the pictures.
        listing: sha256 of all pictures' names, so that parts and resumed indexes are of the same pictures.
        total: number of pictures of this part, damaged ones too.
        chunk: pictures of each chunk; the last has fewer.
        part, parts: this is part ``part`` of ``parts``.
        merged: number of chunks of all parts that were merged into it, any of which may be short; 0: it was not merged.
    """

    network: str
    sha256: str
    dimensions: int
    root: str
    listing: str
    total: int
    chunk: int = CHUNK
    part: int = 1
    parts: int = 1
    merged: int = 0


@dataclass(frozen=True)
class Store:
    """An index in its ``folder``. Chunk k is ``vectors-k.safetensors`` with a line per picture in ``names-k.jsonl``."""

    folder: Path
    head: Head

    @classmethod
    def open(cls, folder: str | Path) -> Store:
        """Open an index.

        Raises:
            ValueError: there is none, or its head is damaged.
        """
        folder = Path(folder)
        if not (folder / HEAD).is_file():
            raise ValueError(f"{folder} is no index: it holds no {HEAD}. Make one with `mixviz index FOLDER --out …`.")
        try:
            values = json.loads((folder / HEAD).read_text(encoding="utf-8"))
            return cls(folder, Head(**values))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{folder / HEAD} is no head of an index ({error}).") from None

    @classmethod
    def create(cls, folder: str | Path, head: Head) -> Store:
        """Create an index, or open the one that is there, if it is of the same pictures and network.

        Raises:
            ValueError: the folder holds another index.
        """
        folder = Path(folder)
        if (folder / HEAD).is_file():
            there = cls.open(folder)
            compared = [field.name for field in dataclasses.fields(Head) if field.name not in ("network", "root")]
            differing = [name for name in compared if getattr(there.head, name) != getattr(head, name)]
            if differing:
                raise ValueError(
                    f"{folder} holds another index; it differs in {', '.join(differing)}. Give another --out, or "
                    "remove it."
                )
            return there
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / HEAD, (json.dumps(dataclasses.asdict(head), indent=1) + "\n").encode())
        return cls(folder, head)

    @property
    def chunks(self) -> int:
        """Number of chunks when it is complete."""
        return self.head.merged or -(-self.head.total // self.head.chunk)

    def missing(self) -> list[int]:
        """Return the numbers of the chunks that are not written yet."""
        return [number for number in range(self.chunks) if not self.path(number).is_file()]

    def path(self, number: int) -> Path:
        """Return the file of a chunk's vectors."""
        return self.folder / f"vectors-{number:06d}.safetensors"

    def names_path(self, number: int) -> Path:
        """Return the file of a chunk's names."""
        return self.folder / f"names-{number:06d}.jsonl"

    def add(self, number: int, names: list[str], vectors: Tensor, left_out: dict[str, str] | None = None) -> None:
        """Write a chunk: names first, so that a chunk with vectors is whole.

        Args:
            names: of the pictures of the vectors, in their order.
            vectors: (n, D) float.
            left_out: name -> reason of pictures that could not be read.
        """
        if vectors.shape != (len(names), self.head.dimensions):
            raise ValueError(f"vectors should be ({len(names)}, {self.head.dimensions}); got {tuple(vectors.shape)}.")
        lines = [{"file": name} for name in names]
        lines += [{"file": name, "left_out": reason} for name, reason in (left_out or {}).items()]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write(self.names_path(number), text.encode("utf-8", "surrogateescape"))
        save_tensors(self.path(number), {"vectors": vectors.float()})

    def names(self) -> list[str]:
        """Read the names of all embedded pictures, relative to ``root``, in the order of the vectors."""
        return [name for name, reason in self._lines() if reason is None]

    def left_out(self) -> dict[str, str]:
        """Read the names of the pictures that could not be read, with the reason."""
        return {name: reason for name, reason in self._lines() if reason is not None}

    def _lines(self) -> Iterator[tuple[str, str | None]]:
        for number in range(self.chunks):
            text = self.names_path(number).read_text("utf-8", "surrogateescape")
            for line in text.removesuffix("\n").split("\n"):  # names may hold what splitlines divides at, as U+2028
                values = json.loads(line)
                yield values["file"], values.get("left_out")

    def raw(self, number: int) -> Tensor:
        """Read a chunk's vectors (n, D) float32, as the network gave them.

        Raises:
            ValueError: the file is damaged.
        """
        try:
            with safe_open(self.path(number), "pt") as file:
                return file.get_tensor("vectors")
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{self.path(number)} is missing or damaged ({error}): remove it, and run the same `mixviz index` "
                "again."
            ) from None

    def vectors(self) -> Iterator[Tensor]:
        """Yield the chunks' vectors (n, D'), whitened where the index is, of length 1."""
        self.check_complete()
        whitening = self.whitening()
        for number in range(self.chunks):
            yield transformed(self.raw(number), whitening)

    def check_complete(self) -> None:
        """Raise unless all chunks are there.

        Raises:
            ValueError: it was stopped; says how to go on.
        """
        if missing := self.missing():
            raise ValueError(
                f"{self.folder} is not complete: {len(missing)} of {self.chunks} chunks are missing. Run the same "
                "`mixviz index` again: it goes on where it stands."
            )

    def whiten(self, kept: int) -> None:
        """Fit a whitening to at most :data:`SAMPLED` vectors, evenly spread, and store it.

        Raises:
            ValueError: more dimensions than the vectors vary along.
        """
        self.check_complete()
        step = max(1, -(-self.head.total // SAMPLED))
        sample = torch.cat([self.raw(number)[::step] for number in range(self.chunks)])
        whitening = Whitening(self.head.dimensions, kept)
        whitening.fit(sample)
        save_tensors(self.folder / WHITENING, dict(whitening.state_dict()))

    def whitening(self) -> Whitening | None:
        """Load the whitening, if there is one."""
        if not (self.folder / WHITENING).is_file():
            return None
        tensors, _ = load_tensors(self.folder / WHITENING)
        whitening = Whitening(self.head.dimensions, len(tensors["axes"]))
        whitening.load_state_dict(tensors)
        return whitening


def transformed(vectors: Tensor, whitening: nn.Module | None) -> Tensor:
    """Whiten vectors (N, D) and scale them to length 1."""
    vectors = vectors.float()
    return nn.functional.normalize(vectors if whitening is None else whitening(vectors).float(), dim=1)
