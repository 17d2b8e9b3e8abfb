from __future__ import annotations

import importlib
import importlib.util
import logging
import math
import os
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from filelock import FileLock

from mixviz.core.parameters import Card, parameter
from mixviz.search import locks
from mixviz.search.engine import Engine, Job, Once, Tell, mistake
from mixviz.search.engines._shares import shares
from mixviz.version import __version__

LOOK = 0.5  # seconds between two looks at messages
GRACE = 30.0  # seconds for the last messages of others, after one has seen that all is done


@dataclass(frozen=True)
class Ray(Engine):
    """Processes of Ray, on one machine or many that share the folder.

    Ray places and restarts processes. Which trials there are and which of them end early says the study in the folder,
    so that Ray Tune has nothing to do.
    """

    address: str = parameter(
        "", "of a running Ray; empty: RAY_ADDRESS, else one that runs here, else a new one", example="192.0.2.1:6379",
        check=str.strip,
    )  # fmt: skip

    card: ClassVar[Card] = Card("ray", "Ray")

    def check(self) -> None:
        """Raise an ImportError if Ray is not installed."""
        if importlib.util.find_spec("ray") is None:
            raise ImportError(
                "--engine ray needs Ray: pip install 'mixviz[ray]'. On one machine, --processes does the same without."
            )

    def run(self, job: Job, processes: int, tell: Tell) -> None:
        """Start a task for each process, and listen to them until all is done."""
        self.check()
        with _connected(self.address) as ray, _marked(job.out) as mark:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            cpus, gpus = shares([(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in nodes], processes)
            tell(f"Ray: {processes} processes on {len(nodes)} machine{'s' if len(nodes) > 1 else ''}.")
            queue = importlib.import_module("ray.util.queue").Queue(actor_options={"num_cpus": 0})
            place = _Place(mark, Path.cwd(), __version__, max(1, int(cpus)))
            work = ray.remote(_work).options(num_cpus=cpus, num_gpus=gpus)
            content = ray.put(job)
            tasks = [work.remote(content, place, queue) for _ in range(processes)]
            try:
                _listen(ray, tasks, queue, Once(tell))
            finally:
                for task in tasks:
                    ray.cancel(task, force=True)
                queue.shutdown(force=True)


@dataclass(frozen=True)
class _Place:
    """What must be the same on all machines.

    Attributes:
        mark: a file in the folder, which the command has locked.
        folder: in which the command was given.
        version: of this package.
        threads: CPU threads of a process.
    """

    mark: Path
    folder: Path
    version: str
    threads: int

    def check(self, files: Sequence[Path]) -> None:
        """Raise a ValueError if a process on this machine could not share the work."""
        host = socket.gethostname()
        if self.version != __version__:
            raise ValueError(f"{host} has MixViz {__version__}, and the command {self.version}: install the same one.")
        with suppress(OSError):  # with absolute paths, it need not be here
            os.chdir(self.folder)
        for path in (self.mark, *files):
            if not path.is_file():
                raise ValueError(
                    f"{host} does not see {path.parent}: --out, and pictures that do not fit into memory, should be in "
                    "folders that all machines of Ray share, by the same path."
                )
        if (lock := locks.take(self.mark)) is not None:
            lock.release()
            raise ValueError(
                f"{host} does not see the locks of other machines in {self.mark.parent}: mount its file system with "
                "locks (NFS without nolock, Lustre with flock), or give another --out."
            )


def _work(job: Job, place: _Place, queue: Any) -> None:
    """Do the job on a machine of Ray."""
    place.check(job.files())
    torch.set_num_threads(place.threads)
    job(queue.put)


def _listen(ray: Any, tasks: Sequence[Any], queue: Any, tell: Tell) -> None:
    """Pass on messages until all tasks have ended, or one has, and the others had time for theirs.

    A task that ends has seen that all is done. Others may still wait for a place on a busy Ray.
    """
    running, finished = list(tasks), math.inf
    while running and time.monotonic() < finished + GRACE:
        ended, running = ray.wait(running, timeout=LOOK)
        for line in queue.get_nowait_batch(queue.qsize()):
            tell(line)
        for task in ended:
            try:
                ray.get(task)
                finished = min(finished, time.monotonic())
            except ray.exceptions.RayTaskError as error:
                kind = mistake(error.cause)
                raise (kind or RuntimeError)(str(error.cause) if kind else f"A process failed:\n\n{error}") from None
            except ray.exceptions.RayError as error:  # its machine is gone, and Ray has tried several times
                if not running and finished == math.inf:
                    raise RuntimeError(f"All processes of Ray were ended from outside: {error}") from None
                tell("A process of Ray was ended from outside: the others take over what it did.")


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Connect with Ray, or start one of this machine and end it afterwards."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when Ray is imported
    ray = importlib.import_module("ray")
    if ray.is_initialized():
        yield ray
        return
    where = address or os.environ.get("RAY_ADDRESS", "")
    try:
        _reach(where)
        ray.init(
            address=where or None, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
        )  # fmt: skip
    except (OSError, RuntimeError, ValueError) as error:
        raise ConnectionError(
            f"Ray cannot be reached or started at {where or 'this machine'}: {error}. Start it there (ray start "
            "--head), or leave out the address and RAY_ADDRESS for one of this machine."
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Raise an OSError if nobody answers at ``host:port``; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "://" not in address:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextmanager
def _marked(out: Path) -> Iterator[Path]:
    """Lock a new file in the folder, by which machines know that they see the same, and its locks."""
    mark = out / f".{uuid.uuid4().hex}.lock"
    try:
        with FileLock(mark):
            yield mark
    finally:
        mark.unlink(missing_ok=True)
