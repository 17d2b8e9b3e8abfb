from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import ClassVar

import torch

from mixviz.core.parameters import Card
from mixviz.search.engine import Engine, Job, Once, Tell, mistake

PATIENCE = 10.0  # seconds for a process to end
GPUS = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Local(Engine):
    """Processes of this machine, which divide its CPU threads and its GPUs."""

    alone: ClassVar[bool] = True
    card: ClassVar[Card] = Card("local", "Processes of this machine")

    def run(self, job: Job, processes: int, tell: Tell) -> None:
        """Start new processes, and listen to them until all have ended."""
        threads, gpus = max(1, torch.get_num_threads() // processes), _gpus()
        team: dict[Connection, BaseProcess] = {}
        try:
            for index in range(processes):
                gpu = gpus[index % len(gpus)] if gpus else None
                connection, process = _start(threads, gpu)
                team[connection] = process
                threading.Thread(target=_send, args=(connection, job), daemon=True).start()
            _listen(dict(team), Once(tell))
        finally:
            _end(team)


def _start(threads: int, gpu: str | None) -> tuple[Connection, BaseProcess]:
    """Start a process, which waits for its job."""
    context = multiprocessing.get_context("spawn")  # after a fork, neither threads nor CUDA work
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, threads, gpu))
    with _without_interrupts():
        process.start()
    theirs.close()  # so that its end is seen here
    return ours, process


def _send(connection: Connection, job: Job) -> None:
    with suppress(OSError):  # its process has ended, which is seen elsewhere
        connection.send(job)


def _work(connection: Connection, threads: int, gpu: str | None) -> None:
    """Do the job that comes through the connection, and send back messages, or the error."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpu is not None:
        os.environ[GPUS] = gpu  # before the first use of CUDA
    torch.set_num_threads(threads)
    try:
        job: Job = connection.recv()
        job(lambda line: connection.send((None, line)))
    except Exception as error:
        kind = mistake(error)
        text = str(error) if kind else f"A process failed:\n\n{traceback.format_exc()}"
        connection.send((kind or RuntimeError, text))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _listen(team: dict[Connection, BaseProcess], tell: Tell) -> None:
    """Pass on messages until all processes have ended."""
    finished = 0
    while team:
        for connection in wait(list(team)):
            assert isinstance(connection, Connection)
            try:
                kind, text = connection.recv()
            except (EOFError, OSError):
                process = team.pop(connection)
                process.join()
                finished += process.exitcode == 0
                if process.exitcode:
                    _tell_end(process.exitcode, bool(team) or finished > 0, tell)
                continue
            if kind is not None:
                raise kind(text)
            tell(text)


def _tell_end(code: int, others: bool, tell: Tell) -> None:
    """Tell of a process that was killed.

    Raises:
        RuntimeError: no other is left.
    """
    how = signal.Signals(-code).name if code < 0 else f"status {code}"
    if not others:
        raise RuntimeError(f"All processes were ended from outside ({how}): is the memory full? Take fewer processes.")
    tell(f"A process was ended from outside ({how}): the others take over what it did.")


def _end(team: dict[Connection, BaseProcess]) -> None:
    """End all processes that still run."""
    for process in team.values():
        process.terminate()
    for connection, process in team.items():
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join()
        connection.close()


def _gpus() -> list[str]:
    """Names of the GPUs, as CUDA reads them from the environment."""
    named = [name.strip() for name in os.environ.get(GPUS, "").split(",") if name.strip()]
    count = torch.cuda.device_count()
    return named[:count] or [str(index) for index in range(count)]


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that ignore Ctrl-C, which the terminal sends to all: the command ends them itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
