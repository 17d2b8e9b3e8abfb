"""The page's endpoints, as a program or somebody with bad intentions calls them."""

from __future__ import annotations

import base64
import io
import math
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import mixviz
from mixviz import pictures
from mixviz.ui import grid

gradio_client = pytest.importorskip("gradio_client")
httpx = pytest.importorskip("httpx")
MADE_UP = [
    *("/etc/passwd", "app.py", "../app.py", "assets/photos/../photos.json", "file:///etc/passwd", "", "/"),
    *("http://127.0.0.1:9/x.png", "https://localhost:9/x.png"),
]


@pytest.fixture(scope="module")
def client(address):
    return gradio_client.Client(address, verbose=False)


@pytest.fixture(scope="module")
def handed_in(two_files):
    return [gradio_client.handle_file(path) for path in two_files]


def ask(client, first, second, *rest, api="/mix_grid"):
    values = [first, second, "a", "b", True, 0.4, 0, "fine_grained"]
    return client.predict(*(values[:2] + list(rest) + values[2 + len(rest) :]), api_name=api)


def test_the_grid_over_the_api(client, handed_in):
    value = ask(client, *handed_in)
    assert [card["name"] for card in value["cards"]] == list(mixviz.METHODS)
    sheet = Image.open(io.BytesIO(base64.b64decode(value["sheet"].split(",")[1])))
    assert sheet.size == (grid.COLUMNS * grid.SIDE, value["rows"] * grid.SIDE)
    mixup = next(card for card in value["cards"] if card["name"] == "mixup")
    assert mixup["share"] == pytest.approx([0.4, 0.6])


def test_the_sheet_shows_the_mixtures_of_the_core(client, handed_in, two_files):
    value = ask(client, *handed_in)
    sheet = np.array(Image.open(io.BytesIO(base64.b64decode(value["sheet"].split(",")[1]))), np.float32)
    a, b = (pictures.load_image(path, grid.SIDE).astype(np.float32) for path in two_files)
    row, column = divmod(list(mixviz.METHODS).index("mixup"), grid.COLUMNS)
    tile = sheet[row * grid.SIDE : (row + 1) * grid.SIDE, column * grid.SIDE : (column + 1) * grid.SIDE]
    assert np.abs(tile - (0.4 * a + 0.6 * b)).mean() < 3  # JPEG


def test_one_method_in_full_size(client, two_files, address):
    with open(two_files[0], "rb") as first, open(two_files[1], "rb") as second:
        files = [("files", first), ("files", second)]
        paths = httpx.post(f"{address}gradio_api/upload", files=files).json()
    answer = client.predict(*paths, "cutmix", 0.5, 3, 256, api_name="/mix")
    picture = Image.open(io.BytesIO(base64.b64decode(answer["picture"].split(",")[1])))
    assert picture.size == (256, 256)
    assert sum(answer["recipe"]["share"]) == pytest.approx(1)


def call(address: str, api: str, data: list) -> tuple[str, str]:
    """A bare request, as no browser would send it: the last event and its data."""
    event = httpx.post(f"{address}gradio_api/call/{api}", json={"data": data}).json()["event_id"]
    lines = httpx.get(f"{address}gradio_api/call/{api}/{event}", timeout=60).text.strip().splitlines()
    return lines[-2].removeprefix("event: "), lines[-1]


def test_a_bare_request_works(address):
    from mixviz.ui.handlers import choose_pair

    a, b, *_ = choose_pair(0)
    event, data = call(address, "mix", [a, b, "cutmix", 0.5, 0, 64])
    assert event == "complete"
    assert "data:image/png" in data


@pytest.mark.parametrize("path", MADE_UP)
@pytest.mark.parametrize("api", ["mix_grid", "remix", "mix_pair", "mix_uploaded_A", "mix_uploaded_B"])
def test_made_up_paths_are_refused(address, api, path):
    from mixviz.ui.handlers import choose_pair

    good = {"path": choose_pair(0)[0], "meta": {"_type": "gradio.FileData"}}
    made_up = {"path": path, "meta": {"_type": "gradio.FileData"}}
    rest = ["a", "b", True, 0.4, 0, "fine_grained"]
    assert call(address, api, [good, good, *rest])[0] == "complete"
    for pair in ([made_up, good], [good, made_up]):
        event, data = call(address, api, [*pair, *rest])
        assert event == "error" or "message" in data
        assert "sheet" not in data


@pytest.mark.parametrize("path", MADE_UP)
def test_made_up_paths_are_refused_by_the_one_method_endpoint(address, path):
    from mixviz.ui.handlers import choose_pair

    good = choose_pair(0)[0]
    for pair in ([path, good], [good, path]):
        event, data = call(address, "mix", [*pair, "cutmix", 0.5, 0, 64])
        assert event == "error"
        assert "data:image" not in data


@pytest.mark.parametrize("path", [*MADE_UP, None, 3, ["x"], {"path": "/etc/passwd"}])
def test_the_loader_checks_paths_itself(path):
    from mixviz.ui.handlers import checked_path

    with pytest.raises(pictures.PictureError):
        checked_path(path)


@pytest.mark.parametrize(
    ("name_a", "name_b", "hold", "lam", "seed", "detector"),
    [
        ("a", "b", True, math.nan, 0, "fine_grained"),
        ("a", "b", True, 7, 0, "fine_grained"),
        ("a", "b", True, "0.5", 0, "fine_grained"),
        ("a", "b", True, 0.5, math.inf, "fine_grained"),
        ("a", "b", True, 0.5, -1, "fine_grained"),
        ("a", "b", True, 0.5, 1e300, "fine_grained"),
        ("a", "b", True, 0.5, 0, "gradient"),
        ("a", "b", True, 0.5, 0, "../x"),
    ],
)
def test_numbers_and_names_are_checked_again(name_a, name_b, hold, lam, seed, detector):
    import gradio

    from mixviz.ui.handlers import choose_pair, mix_grid

    a, b, *_ = choose_pair(0)
    with pytest.raises(gradio.Error):
        mix_grid(a, b, name_a, name_b, hold, lam, seed, detector)


def test_every_public_endpoint_is_named_and_described(client):
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert {"/mix_grid", "/mix"} <= set(named)
    assert not any("lambda" in name for name in named)
    assert "λ" in str(named["/mix_grid"])


def test_errors_of_the_program_stay_inside(client, handed_in, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("secret path")

    monkeypatch.setattr(grid, "show", broken)
    with pytest.raises(Exception, match=r"^(?!.*secret path)"):
        ask(client, *handed_in)


SERVER = """
import socket, sys
seen, resolve, connect = [], socket.getaddrinfo, socket.socket.connect
local = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "None")
def watched_resolve(host, *args, **kwargs):
    seen.append(str(host))
    return resolve(host, *args, **kwargs)
def watched_connect(self, address):
    seen.extend([str(address[0])] if self.family in (socket.AF_INET, socket.AF_INET6) else [])
    return connect(self, address)
socket.getaddrinfo, socket.socket.connect = watched_resolve, watched_connect
from mixviz.ui.page import launch
_, url, _ = launch(prevent_thread_lock=True, quiet=True)
print(url, flush=True)
sys.stdin.readline()
print([host for host in seen if host not in local], flush=True)
"""


def test_the_server_asks_nobody_anything(tmp_path):
    """A server of its own, because the test's client has habits of its own."""
    from mixviz.ui.handlers import choose_pair

    environment = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        url = server.stdout.readline().strip()
        assert httpx.get(url).status_code == 200
        a, b, *_ = choose_pair(1)
        assert call(url, "mix", [a, b, "mixup", 0.5, 0, 64])[0] == "complete"
        elsewhere = {"path": "http://picture-host.invalid/x.png", "meta": {"_type": "gradio.FileData"}}
        assert "sheet" not in call(url, "mix_grid", [elsewhere, elsewhere, "a", "b", True, 0.5, 0, "centre"])[1]
        time.sleep(2)  # what a start does in the background has had its time
        said = server.communicate("\n", timeout=30)[0]
    assert said.strip() == "[]"
