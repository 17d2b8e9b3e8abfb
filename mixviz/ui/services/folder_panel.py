"""Panel that runs the networks on a folder or a zip, with a progress bar, and returns a zip of tables and heat maps."""

from __future__ import annotations

import functools
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

MOST = 300  # pictures of one run: other visitors wait for the same two cores
LIMITS = Limits(files=1000, each=LARGEST, all=500_000_000)
TAKEN = (*ENDINGS, ".zip", ".csv")
QUICK = {name: kind for name, kind in KINDS.items() if not kind.slow}


def panel(spoken: str) -> None:
    """Build the controls in a language and connect their events."""
    word = functools.partial(say, language=spoken)
    with gr.Accordion(word("survey.title"), open=False, elem_id="survey"):
        gr.Markdown(word("survey.why"))
        files = gr.File(label=word("survey.files"), file_count="multiple", file_types=list(TAKEN), height=140)
        folder = gr.UploadButton(word("survey.folder"), file_count="directory", size="sm")
        with gr.Row():
            with gr.Column():
                # The choices come from the zoo's folder names, so that no network is loaded.
                titles = networks.titles()  # the first is the reference, which knows most; all take minutes
                which = gr.Dropdown(
                    [(word("survey.all"), "all"), *titles], value=titles[0][1], label=word("survey.networks")
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
        status = gr.HTML(elem_id="survey-told", apply_default_css=False)
        parcel = gr.File(label=word("survey.parcel"), interactive=False, visible=False)
        inputs = [files, which, classes, kind, threshold, pictures, faithful, language]
        folder.upload(
            _usable, [folder, language], [files, status], api_name="survey_folder", api_visibility="undocumented",
            show_progress="hidden", queue=False, js="(folder) => [folder, mixviz.language()]",
        )  # fmt: skip
        # The queue may take a while: replace the previous result at once by a request to wait.
        start.click(
            begin, language, [status, parcel], api_name="survey_begin", api_visibility="undocumented", queue=False,
            js="() => [mixviz.language()]", show_progress="hidden",
        ).then(
            survey, inputs, [status, parcel], api_name="survey", api_visibility="undocumented", concurrency_limit=1,
            concurrency_id="heavy", show_progress="hidden",
            js=f"(...given) => [...given.slice(0, {len(inputs) - 1}), mixviz.language()]",
        )  # fmt: skip
        stop.click(progress.halt, None, None, api_name="halt", api_visibility="undocumented", queue=False)


def _usable(paths: list[str], language: Any) -> tuple[list[str], str]:
    """Return the usable pictures of a folder, and HTML about the files that are not usable."""
    visible = [path for path in paths if not hidden(Path(path).name)]
    usable = [path for path in visible if path.lower().endswith(TAKEN)]
    if len(usable) == len(visible):
        return usable, ""
    message = say("embed.others", language_of({"language": language}), count=len(visible) - len(usable))
    return usable, f'<div class="mv-part"><p class="mv-told">{message}</p></div>'


def begin(language: Any, request: gr.Request) -> tuple[str, Any]:
    """Show that a run waits for its turn."""
    progress.begin(request)
    return progress.bar(0, 0, say("survey.waits", language_of({"language": language}))), gr.update(visible=False)


def survey(
    files: Any, which: Any, classes: Any, kind: Any, threshold: Any, pictures: Any, faithful: Any, language: Any,
    request: gr.Request,
) -> Iterator[tuple[str, Any]]:  # fmt: skip
    """Run the networks on the pictures; yields (HTML of the progress, the zip when done)."""
    language = language_of({"language": language})
    try:
        with as_gradio_error(language):
            source, plan = _where(files), _plan(which, classes, kind, threshold, faithful)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "mixviz-survey.zip"
                summaries, done, total, unread, others = SummaryAccumulator(plan), 0, 0, 0, 0
                # The walk raises these for the visitor's pictures, boxes, classes and kinds.
                with (
                    as_user_error(ValueError, ImportError),
                    closing(bundle(plan, source, path, limits=LIMITS, pictures=bool(pictures))) as walk,
                ):
                    for seen in walk:
                        summaries.add(seen.rows)
                        done, total, others = seen.done, seen.total, seen.others
                        unread += not seen.looks
                        yield progress.bar(done, total, seen.name), gr.skip()
                        if progress.stopped(request) or done >= MOST:
                            break
                summary = _summary(summaries, done, total, (unread, others), language)
                yield summary, gr.update(value=str(path), visible=True)
    finally:
        progress.begin(request)  # clear the stop


def _plan(which: Any, classes: Any, kind: Any, threshold: Any, faithful: Any) -> FolderEvaluation:
    """Build the evaluation from the controls' networks, classes and kind of maps.

    Raises:
        UserError: an unknown network, class or kind, or damaged weights.
    """
    known = networks.to_look_inside()
    wanted = [name.strip() for name in str(classes or "").split(",") if name.strip()]
    with as_user_error():
        asked = networks.that_know(wanted).values() if which == "all" else [lookup(known, which)]
        asked = [one.loaded() for one in asked]
        kind = lookup(QUICK, kind).name
        return FolderEvaluation(asked, wanted, kind, threshold=_share(threshold), faithful=bool(faithful))


def _where(files: Any) -> Any:
    """Return the path of a single file, such as a zip, or a list of paths: pictures and a table of their true boxes.

    Raises:
        UserError: there are no files.
    """
    paths = [checked_path(path) for path in files or ()]
    if not paths:
        raise UserError("survey.none")
    return paths[0] if len(paths) == 1 else paths


def _share(number: Any) -> float:
    if not (is_number(number) and 0 <= number <= 1):
        raise malformed("τ is a number from 0 to 1.")
    return float(number)


def _summary(summaries: SummaryAccumulator, done: int, total: int, left_out: tuple[int, int], language: str) -> str:
    """Summarize a run as HTML: its progress, unreadable pictures, other files, and a table row per network."""
    titles = {one.name: one.title for one in summaries.survey.known} | {CENTRE: say("look.centre", language)}
    rows = summaries.rows()
    columns = {
        "network": lambda row: titles[row["network"]], "class": lambda row: row["class"],
        "pictures": lambda row: str(row["pictures"]), "sure": lambda row: _decimal(row["mean_predicted_probability"]),
        "iou": lambda row: _decimal(row["mean_iou"]), "hits": lambda row: _decimal(row["hits"]),
    }  # fmt: skip
    table = {name: [read(row) for row in rows] for name, read in columns.items()}
    table = {name: cells for name, cells in table.items() if any(cells)}  # omit columns without values
    headings = [say(f"survey.column.{name}", language) for name in table]
    lines = zip(*table.values(), strict=True)
    message = say("survey.done" if done == total else "survey.part", language, done=done, total=total)
    for key, count in zip(("survey.unread", "embed.others"), left_out, strict=True):
        message += f" {say(key, language, count=count)}" if count else ""
    cells = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>" for line in lines)
    head = "".join(f'<th scope="col">{html.escape(one)}</th>' for one in headings)
    return (
        f'<div class="mv-part"><p class="mv-told">{html.escape(message)}</p>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table></div>"
    )


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
