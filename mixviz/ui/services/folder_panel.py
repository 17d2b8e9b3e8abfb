"""Many pictures at once: a folder or a zip through the networks, with a bar, to a zip of tables and heat maps."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from mixviz.cam.methods import KINDS
from mixviz.core.registry import lookup
from mixviz.data.decoding import ENDINGS, hidden
from mixviz.data.files.gathering import Limits
from mixviz.evaluation.folder_eval import CENTRE, FolderEvaluation
from mixviz.evaluation.folder_export import bundle
from mixviz.evaluation.folder_summary import SummaryAccumulator
from mixviz.i18n import UserError, say
from mixviz.ui.boundary import as_gradio_error, checked_path
from mixviz.ui.errors import as_user_error
from mixviz.ui.fields import is_number, malformed
from mixviz.ui.services import networks, progress
from mixviz.ui.state import LARGEST, language_of

MOST = 300  # pictures of one visit: others wait for the same two cores
LIMITS = Limits(files=1000, each=LARGEST, all=500_000_000)
TAKEN = (*ENDINGS, ".zip", ".csv")
QUICK = {name: kind for name, kind in KINDS.items() if not kind.slow}


def panel() -> None:
    """The controls, and what they do."""
    word = gr.I18n()
    with gr.Accordion(word("survey.title"), open=False, elem_id="survey"):
        gr.Markdown(word("survey.why"))
        files = gr.File(label=word("survey.files"), file_count="multiple", file_types=list(TAKEN), height=140)
        # Gradio translates this label too, and only its annotation lacks that.
        label: Any = word("survey.folder")
        folder = gr.UploadButton(label, file_count="directory", size="sm")
        with gr.Row():
            with gr.Column():
                # Their choices are the zoo's folders: nothing is loaded for them.
                which = gr.Dropdown(
                    [(word("survey.all"), "all"), *networks.titles()], value="all", label=word("survey.networks")
                )
                classes = gr.Textbox(label=word("survey.classes"), info=word("survey.classes_why"), max_lines=1)
                kind = gr.Dropdown(
                    [(one.title, name) for name, one in QUICK.items()], value="grad_cam", label=word("look.kind")
                )
                threshold = gr.Slider(0, 1, 0.2, step=0.01, label=word("look.threshold"), buttons=[])
            with gr.Column():
                pictures = gr.Checkbox(True, label=word("survey.pictures"))
                faithful = gr.Checkbox(False, label=word("survey.faithful"))
                start = gr.Button(word("survey.start"), variant="primary")
                stop = gr.Button(word("survey.stop"))
                language = gr.Textbox("en", visible=False)
        told = gr.HTML(elem_id="survey-told", apply_default_css=False)
        parcel = gr.File(label=word("survey.parcel"), interactive=False, visible=False)
        given = [files, which, classes, kind, threshold, pictures, faithful, language]
        folder.upload(
            _usable, [folder, language], [files, told], api_name="survey_folder", api_visibility="undocumented",
            show_progress="hidden", queue=False, js="(folder) => [folder, mixviz.language()]",
        )  # fmt: skip
        # The queue may take a while: what was said before is taken back, and the visitor told to wait, at once.
        start.click(
            begin, language, [told, parcel], api_name="survey_begin", api_visibility="undocumented", queue=False,
            js="() => [mixviz.language()]", show_progress="hidden",
        ).then(
            survey, given, [told, parcel], api_name="survey", api_visibility="undocumented", concurrency_limit=1,
            concurrency_id="heavy", show_progress="hidden",
            js=f"(...given) => [...given.slice(0, {len(given) - 1}), mixviz.language()]",
        )  # fmt: skip
        stop.click(progress.halt, None, None, api_name="halt", api_visibility="undocumented", queue=False)


def _usable(paths: list[str], language: Any) -> tuple[list[str], str]:
    """Return the usable pictures of a folder, and HTML about the files that are not usable."""
    seen = [path for path in paths if not hidden(Path(path).name)]
    used = [path for path in seen if path.lower().endswith(TAKEN)]
    if len(used) == len(seen):
        return used, ""
    said = say("embed.others", language_of({"language": language}), count=len(seen) - len(used))
    return used, f'<div class="mv-part"><p class="mv-told">{said}</p></div>'


def begin(language: Any, request: gr.Request) -> tuple[str, Any]:
    """A survey is to begin as soon as it is its turn."""
    progress.begin(request)
    return progress.bar(0, 0, say("survey.waits", language_of({"language": language}))), gr.update(visible=False)


def survey(
    files: Any, which: Any, classes: Any, kind: Any, threshold: Any, pictures: Any, faithful: Any, language: Any,
    request: gr.Request,
) -> Iterator[tuple[str, Any]]:  # fmt: skip
    """Go through the pictures; yields (HTML that says how far it is, the zip when it is done)."""
    language = language_of({"language": language})
    try:
        with as_gradio_error(language):
            where, plan = _where(files), _plan(which, classes, kind, threshold, faithful)
            with tempfile.TemporaryDirectory() as room:
                path = Path(room) / "mixviz-survey.zip"
                tally, done, total, unread, others = SummaryAccumulator(plan), 0, 0, 0, 0
                # The walk refuses pictures, boxes, classes and kinds that the visitor chose.
                with (
                    as_user_error(ValueError, ImportError),
                    closing(bundle(plan, where, path, limits=LIMITS, pictures=bool(pictures))) as walk,
                ):
                    for seen in walk:
                        tally.add(seen.rows)
                        done, total, others = seen.done, seen.total, seen.others
                        unread += not seen.looks
                        yield progress.bar(done, total, seen.name), gr.skip()
                        if progress.stopped(request) or done >= MOST:
                            break
                told = _summary(tally, done, total, (unread, others), language)
                yield told, gr.update(value=str(path), visible=True)
    finally:
        progress.begin(request)  # what was stopped is over


def _plan(which: Any, classes: Any, kind: Any, threshold: Any, faithful: Any) -> FolderEvaluation:
    """Build the question: which networks, classes and kinds of maps.

    Raises:
        UserError: a network, class or kind that there is not.
    """
    known = networks.known_networks()
    wanted = [name.strip() for name in str(classes or "").split(",") if name.strip()]
    with as_user_error():
        asked = list(known.values()) if which == "all" else [lookup(known, which)]
        kind = lookup(QUICK, kind).name
        return FolderEvaluation(asked, wanted, kind, threshold=_share(threshold), faithful=bool(faithful))


def _where(files: Any) -> Any:
    """One zip, or a list of pictures with the table of their true boxes among them.

    Raises:
        UserError: nothing was handed in.
    """
    paths = [checked_path(path) for path in files or ()]
    if not paths:
        raise UserError("survey.none")
    return paths[0] if len(paths) == 1 else paths


def _share(number: Any) -> float:
    if not (is_number(number) and 0 <= number <= 1):
        raise malformed("τ is a number from 0 to 1.")
    return float(number)


def _summary(tally: SummaryAccumulator, done: int, total: int, left_out: tuple[int, int], language: str) -> str:
    """Summarize a walk: its progress, unreadable pictures, other files, and a line per network."""
    titles = {one.name: one.title for one in tally.survey.known} | {CENTRE: say("look.centre", language)}
    rows = tally.rows()
    columns = {
        "network": lambda row: titles[row["network"]], "class": lambda row: row["class"],
        "pictures": lambda row: str(row["pictures"]), "sure": lambda row: _told(row["mean_predicted_probability"]),
        "iou": lambda row: _told(row["mean_iou"]), "hits": lambda row: _told(row["hits"]),
    }  # fmt: skip
    told = {name: [read(row) for row in rows] for name, read in columns.items()}
    told = {name: cells for name, cells in told.items() if any(cells)}  # nothing is said of what nobody asked
    heads = [say(f"survey.column.{name}", language) for name in told]
    lines = zip(*told.values(), strict=True)
    how = say("survey.done" if done == total else "survey.part", language, done=done, total=total)
    for key, count in zip(("survey.unread", "embed.others"), left_out, strict=True):
        how += f" {say(key, language, count=count)}" if count else ""
    cells = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    head = "".join(f'<th scope="col">{html.escape(one)}</th>' for one in heads)
    return (
        f'<div class="mv-part"><p class="mv-told">{html.escape(how)}</p>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table></div>"
    )


def _told(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
