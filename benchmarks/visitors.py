"""The page in a separate process, and visitors without a browser, who send the requests of the page's script.

``python -m benchmarks.visitors`` is the process that :class:`Crowd` starts: it reads one line, drags until its standard
input ends, and prints its measurements.
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
PATIENCE = 10  # seconds after which a missing answer counts as an error

# The process ends with its standard input, also if its parent has died. A signal would keep mixviz.ui.app.launch from
# removing its upload folder.
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
    """A served page: its address and process, and the times (``time.time``) after its first imports and when served."""

    url: str
    pid: int
    imported: float
    served: float

    def memory(self) -> float:
        """Return the resident memory in MB of 10**6 bytes, from Linux's /proc."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


@contextmanager
def serve() -> Iterator[Server]:
    """Serve the page from a separate process, which shares no interpreter with the measurement.

    Raises:
        RuntimeError: it did not start.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # Gradio's search for a free port can collide with another server's, and then waits for seconds.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-c", SERVE, str(port)], cwd=ROOT, text=True, **pipes) as process:
        try:
            imported, ready = process.stdout.readline(), process.stdout.readline()
            if not ready:
                raise RuntimeError("The page did not start; what its process said stands above.")
            served, url = ready.split()
            yield Server(url, process.pid, float(imported), float(served))
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@dataclass
class Seen:
    """Results of changes: the milliseconds of those answered, and the problems of the others."""

    times: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, milliseconds: float, problem: str = "") -> None:
        """Add a change, by its time or by its problem."""
        if problem:
            self.problems.append(problem)
        else:
            self.times.append(milliseconds)

    def median(self) -> float:
        """Return the median in milliseconds.

        Raises:
            RuntimeError: no change was answered; with the reasons.
        """
        if not self.times:
            raise RuntimeError(f"Not one change was answered: {Counter(self.problems) or 'none was made'}.")
        return statistics.median(self.times)

    def errors(self, who: str) -> int:
        """Count the problems, and print them to standard error."""
        for problem, count in Counter(self.problems).items():
            print(f"{who}: {count} times {problem}", file=sys.stderr)
        return len(self.problems)


def slider_value(i: int) -> float:
    """Return the i-th value of a dragged λ slider: each of 0.01 to 0.99 once in 99 changes, never the same in a row."""
    return (i * 37 % 99 + 1) / 100


def question(url: str, only: list[str] | None = None) -> dict[str, Any]:
    """Return the request of the page's script when λ moves on a new page, without λ and the visitor's session hash.

    Args:
        url: address of the page.
        only: the visible cards, the only ones requested; None requests all.
    """
    from mixviz.ui.state import first_request

    config = httpx.get(f"{url}config", trust_env=False, timeout=PATIENCE).raise_for_status().json()
    page = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "page")
    return {
        "component_id": page,
        "fn_name": "look",
        "data": asdict(first_request()) | {"view": "grid", "still": False, "only": only},
    }


class Visitor:
    """A visitor who drags: one connection, one session, one request at a time."""

    def __init__(self, url: str, question: dict[str, Any]) -> None:
        self.client = httpx.Client(timeout=PATIENCE, trust_env=False)
        self.address = f"{url}gradio_api/component_server"
        self.question = question | {"session_hash": secrets.token_hex(6)}
        self.seen = Seen()

    def change(self, lam: float, seed: int = 0) -> None:
        """Request the mixtures at λ, and check the answer."""
        request = self.question | {"data": self.question["data"] | {"lam": lam, "seed": seed}}
        start = time.perf_counter()
        try:
            answer = self.client.post(self.address, json=request).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            self.seen.add(0, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            time.sleep(0.1)  # do not flood a server that refuses
            return
        # The server reports errors with status 200 and a message for the visitor.
        problem = answer.get("message") or ("" if answer.get("sheet") and answer.get("cards") else "no mixtures")
        self.seen.add(1000 * (time.perf_counter() - start), problem)

    def drag(self, over: threading.Event) -> None:
        """Change λ without pause, as the page's script does while a slider moves."""
        step = secrets.randbelow(99)  # visitors start at different values
        while not over.is_set():
            self.change(slider_value(step))
            step += 1


class Crowd:
    """Visitors who drag at once, in a separate process; ``only`` are their visible cards."""

    def __init__(self, url: str, count: int, only: list[str] | None) -> None:
        command = [sys.executable, "-m", "benchmarks.visitors"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)
        self.process.stdin.write(json.dumps({"url": url, "count": count, "question": question(url, only)}) + "\n")
        self.process.stdin.flush()
        self.process.stdout.readline()  # wait until each visitor has had an answer or an error

    def leave(self) -> tuple[Seen, float]:
        """Stop dragging; return the visitors' joint results and the seconds in which all of them dragged."""
        results = json.loads(self.process.communicate()[0] or "null")
        if results is None:
            raise RuntimeError("The other visitors' process broke off; what it said stands above.")
        return Seen(results["times"], results["problems"]), results["seconds"]


def main() -> None:
    """Run the crowd's process."""
    settings = json.loads(sys.stdin.readline())
    visitors = [Visitor(settings["url"], settings["question"]) for _ in range(settings["count"])]
    for visitor in visitors:
        visitor.change(0.5)
        visitor.seen.times.clear()  # the first answer includes the connection; count only its error
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
