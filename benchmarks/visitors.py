"""The page in a process of its own, and visitors without a browser, who post what its script posts.

``python -m benchmarks.visitors`` is the crowd that :class:`Crowd` starts: it reads one line, drags until its standard
input ends, and prints what it saw.
"""

from __future__ import annotations

import json
import secrets
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parent.parent
PATIENCE = 10  # seconds until an answer that has not come counts as an error

# The end of its standard input ends it, also when whoever started it has died, and not a signal, so that page.launch
# still removes its folder of uploads.
SERVE = """
import sys, time, gradio, torch
print(time.time(), flush=True)
from mixviz.ui.app import launch
_, url, _ = launch(server_port=int(sys.argv[1]), prevent_thread_lock=True, quiet=True)
print(time.time(), url, flush=True)
sys.stdin.read()
gradio.close_all()
"""


@dataclass(frozen=True)
class Server:
    """A served page: its address and process, and when (``time.time``) it had gradio and torch, and was served."""

    url: str
    pid: int
    imported: float
    served: float

    def memory(self) -> float:
        """Resident memory in MB of 10**6 bytes, as Linux tells it."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


@contextmanager
def serve() -> Iterator[Server]:
    """The page, served by a process of its own: it shares no interpreter with who measures it.

    Raises:
        RuntimeError: it did not start.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # Gradio's own search for a free port can meet another server's, and then waits for seconds.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-c", SERVE, str(port)], cwd=ROOT, text=True, **pipes) as process:
        try:
            imported, told = process.stdout.readline(), process.stdout.readline()
            if not told:
                raise RuntimeError("The page did not start; what its process said stands above.")
            served, url = told.split()
            yield Server(url, process.pid, float(imported), float(served))
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@dataclass
class Seen:
    """What came of some changes: milliseconds of each that was answered, and what went wrong with the others."""

    times: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, milliseconds: float, problem: str = "") -> None:
        """One more change; one that went wrong has no time worth counting."""
        if problem:
            self.problems.append(problem)
        else:
            self.times.append(milliseconds)

    def median(self) -> float:
        """Milliseconds.

        Raises:
            RuntimeError: nothing was answered, with the reasons.
        """
        if not self.times:
            raise RuntimeError(f"Not one change was answered: {Counter(self.problems) or 'none was made'}.")
        return statistics.median(self.times)

    def errors(self, who: str) -> int:
        """How many went wrong; the reasons go to standard error."""
        for problem, count in Counter(self.problems).items():
            print(f"{who}: {count} times {problem}", file=sys.stderr)
        return len(self.problems)


def slider_value(i: int) -> float:
    """The i-th value of a dragged λ slider: hundredths, never the one before, all of 0.01 to 0.99 in 99 changes."""
    return (i * 37 % 99 + 1) / 100


def question(url: str, only: list[str] | None = None) -> dict[str, Any]:
    """What the page's script posts when λ moves on an untouched page, but for λ and the visitor's own hash.

    Args:
        only: the cards in sight, which are all that it asks for; None asks for all.
    """
    from mixviz.ui.app import first_request

    config = httpx.get(f"{url}config", trust_env=False, timeout=PATIENCE).raise_for_status().json()
    bridge = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "bridge")
    return {"component_id": bridge, "fn_name": "look", "data": asdict(first_request()) | {"still": False, "only": only}}


class Visitor:
    """Somebody who drags: one connection, one session, one question at a time."""

    def __init__(self, url: str, question: dict[str, Any]) -> None:
        self.client = httpx.Client(timeout=PATIENCE, trust_env=False)
        self.address = f"{url}gradio_api/component_server"
        self.question = question | {"session_hash": secrets.token_hex(6)}
        self.seen = Seen()

    def change(self, lam: float, seed: int = 0) -> None:
        """Ask for the mixtures at λ, and see that they come."""
        asked = self.question | {"data": self.question["data"] | {"lam": lam, "seed": seed}}
        start = time.perf_counter()
        try:
            answer = self.client.post(self.address, json=asked).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            self.seen.add(0, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            time.sleep(0.1)  # a server that refuses is not helped by being asked a thousand times a second
            return
        # A mistake is answered politely, with status 200, in words for the visitor.
        problem = answer.get("message") or ("" if answer.get("sheet") and answer.get("cards") else "no mixtures")
        self.seen.add(1000 * (time.perf_counter() - start), problem)

    def drag(self, over: threading.Event) -> None:
        """Change λ again and again without pause, as the page's script asks while a slider moves."""
        step = secrets.randbelow(99)  # visitors do not move in step
        while not over.is_set():
            self.change(slider_value(step))
            step += 1


class Crowd:
    """Visitors who drag at once, in a process of their own; ``only`` are the cards that they have in sight."""

    def __init__(self, url: str, count: int, only: list[str] | None) -> None:
        command = [sys.executable, "-m", "benchmarks.visitors"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)
        self.process.stdin.write(json.dumps({"url": url, "count": count, "question": question(url, only)}) + "\n")
        self.process.stdin.flush()
        self.process.stdout.readline()  # every one of them has had an answer, or an error

    def leave(self) -> tuple[Seen, float]:
        """Let go of the sliders: what they saw together since all of them drag, and for how many seconds they did."""
        told = json.loads(self.process.communicate()[0] or "null")
        if told is None:
            raise RuntimeError("The other visitors' process broke off; what it said stands above.")
        return Seen(told["times"], told["problems"]), told["seconds"]


def main() -> None:
    """Be the crowd."""
    told = json.loads(sys.stdin.readline())
    visitors = [Visitor(told["url"], told["question"]) for _ in range(told["count"])]
    for visitor in visitors:
        visitor.change(0.5)
        visitor.seen.times.clear()  # the first answer pays for the connection; its error would count
    print("ready", flush=True)
    over, start = threading.Event(), time.perf_counter()
    threads = [threading.Thread(target=visitor.drag, args=(over,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    times = [t for visitor in visitors for t in visitor.seen.times]
    problems = [p for visitor in visitors for p in visitor.seen.problems]
    print(json.dumps({"times": times, "problems": problems, "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
