"""The process of a search on the page: ``python -m mixviz.ui.services.search_worker FOLDER``.

It runs the command of the folder's ``live.json`` and writes how it ended into ``ended.json``. It ends, as on Ctrl-C,
when its standard input does: that of the page's process, however that ends.
"""

from __future__ import annotations

import _thread
import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

SETTINGS, PICTURES, ENDED = "live.json", "pictures.json", "ended.json"
DONE, STOPPED, FAILED = "done", "stopped", "failed"
PATIENCE = 20  # seconds that an interrupted training may take to stop


def main(folder: Path) -> None:
    """Run the search of a folder."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a page in the background of a shell ignores it
    asked = threading.Event()
    threading.Thread(target=_watch, args=(asked,), daemon=True).start()
    state, error = FAILED, None
    try:
        stopped = _search(folder)
        state = STOPPED if stopped or asked.is_set() else DONE
    except KeyboardInterrupt:
        state = STOPPED
    except Exception as caught:
        state, error = (STOPPED, None) if asked.is_set() else (FAILED, _told(caught))
        if error is not None:
            traceback.print_exc()
    _write(folder / ENDED, {"state": state, "error": error})


def _watch(asked: threading.Event) -> None:
    """Interrupt the search when standard input ends."""
    while os.read(0, 64):  # not sys.stdin, whose lock would be held when the interpreter ends
        pass
    asked.set()
    _thread.interrupt_main()
    time.sleep(PATIENCE)
    os._exit(130)


def _search(folder: Path) -> bool:
    """Gather the pictures, unless that was done, and run the command; return whether it was interrupted."""
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    os.chdir(folder)  # the command's folders are within it
    if not (folder / PICTURES).is_file():
        from mixviz.ui.services.search_pictures import Most, gather

        shutil.rmtree("pictures", ignore_errors=True)
        source = settings["source"]
        taken = gather(source["kind"], Path(source["root"]), Most(**settings["most"]), Path("pictures"))
        _write(folder / PICTURES, taken)
    import typer

    from mixviz.cli import search

    app = typer.Typer(pretty_exceptions_enable=False)
    search.register(app)
    return bool(app([*settings["line"], "--resume"], standalone_mode=False))  # of one command, which is not named


def _told(error: Exception) -> dict[str, Any]:
    """An error as the key of a text of the page, and its values."""
    from mixviz.i18n import UserError
    from mixviz.search.budget import TooShort

    if isinstance(error, UserError):
        return {"key": error.key, "values": error.values}
    if isinstance(error, TooShort):
        return {"key": "live.short", "values": {"minutes": error.minutes}}
    if isinstance(error, (ValueError, TypeError, ImportError, OSError)):  # a user's mistake, as on the command line
        return {"key": "live.failed", "values": {"reason": str(error)}}
    return {"key": "live.broken", "values": {}}


def _write(path: Path, values: Any) -> None:
    from mixviz.networks import files

    files.write(path, json.dumps(values).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
