"""Write the evaluation of a folder: tables of rows and their summary, and sheets of heat maps; as a folder or zip."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from PIL import Image

from mixviz.cam import drawing
from mixviz.data.files import parcel
from mixviz.data.files.gathering import RESULT, Gathered, Limits, gather
from mixviz.evaluation.folder_eval import COLUMNS, FolderEvaluation, Seen
from mixviz.evaluation.folder_summary import SUMMARY, SummaryAccumulator

SHEETS = "pictures"


def record(
    survey: FolderEvaluation, gathered: Gathered, folder: str | Path, *, pictures: bool = False
) -> Generator[Seen, None, None]:
    """Evaluate a folder, and write each picture's results before it is yielded.

    ``survey.csv`` has the rows of :meth:`mixviz.evaluation.folder_eval.FolderEvaluation.results`, ``summary.csv`` those
    of :class:`mixviz.evaluation.folder_summary.SummaryAccumulator`, ``pictures/`` a sheet of all networks per picture,
    named in its row. The files are complete up to the last picture however the generator ends, closed by the caller,
    too. They are in UTF-8 with a byte order mark, which spreadsheets need for Korean. An apostrophe precedes texts that
    a spreadsheet would take for a formula.

    Args:
        folder: made where it is missing, once the first picture is done.
        pictures: draw the sheets, which takes longer than a quick kind of map.

    Raises:
        ValueError: see :meth:`mixviz.evaluation.folder_eval.FolderEvaluation.results`.
        OSError: a file cannot be written.
    """
    folder, tally = Path(folder), SummaryAccumulator(survey)
    with closing(survey.results(gathered)) as walk:
        first = list(itertools.islice(walk, 1))  # a mistake raises here, before a file is made
        (folder / SHEETS if pictures else folder).mkdir(parents=True, exist_ok=True)
        with parcel.table(folder / RESULT) as file:
            file.write(parcel.lines([dict(zip(COLUMNS, COLUMNS, strict=True))], COLUMNS))
            try:
                for seen in itertools.chain(first, walk):
                    if pictures and seen.looks:
                        _draw(survey, seen, folder)
                    file.write(parcel.lines(seen.rows, COLUMNS))  # at once, so that no line is cut
                    file.flush()
                    tally.add(seen.rows)
                    yield seen
            finally:
                with parcel.table(folder / "summary.csv") as other:
                    other.write(parcel.lines([dict(zip(SUMMARY, SUMMARY, strict=True)), *tally.rows()], SUMMARY))


def bundle(
    survey: FolderEvaluation, where: str | Path | Sequence[str | Path], path: str | Path, *,
    boxes: str | Path | None = None, limits: Limits | None = None, pictures: bool = False,
) -> Generator[Seen, None, None]:  # fmt: skip
    """Run :func:`record` into one zip, yielding after every picture.

    The zip is written when the generator ends. Closed before, it holds the pictures that were done; with an error at
    the beginning no zip is written.

    Args:
        where, boxes, limits: see :func:`mixviz.data.files.gathering.gather`.
        path: of the zip.
    """
    with tempfile.TemporaryDirectory() as room, gather(where, boxes, limits) as gathered:
        try:
            with closing(record(survey, gathered, room, pictures=pictures)) as walk:
                yield from walk
        finally:
            if (Path(room) / RESULT).is_file():
                parcel.pack(Path(room), Path(path))


def _draw(survey: FolderEvaluation, seen: Seen, folder: Path) -> None:
    """Draw a sheet of a picture's heat maps. Of its name only letters and digits are used, to stay in the folder."""
    name = f"{SHEETS}/{seen.done:05d}-{parcel.plain(seen.name)}.png"
    sheet = drawing.figure(seen.looks, kind=survey.kind, threshold=survey.threshold)
    Image.fromarray(sheet).save(folder / name, compress_level=1)  # a third larger, in a fraction of the time
    for row in seen.rows:
        row["sheet"] = name
