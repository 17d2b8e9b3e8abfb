"""Training: valid runs, checkpoints, and resumption: a training stopped anywhere ends like an uninterrupted one."""

from __future__ import annotations

import ast
import builtins
import errno
import json
import math
import multiprocessing
import os
import pickle
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import picture_folder
from cases import small_run as small
from safetensors.torch import load_file, save_file
from torch import nn

import mixviz
from mixviz import Batch, Recipe
from mixviz.cli import networks, options
from mixviz.evaluation import runner
from mixviz.networks import architectures, card_text, files, model_card
from mixviz.networks.run import Run
from mixviz.training import checkpoint, loader

ROOT = Path(__file__).parent.parent
FIELDS = Run.described()


pytestmark = pytest.mark.usefixtures("one_thread_of_a_cpu")


def train(run: Run, out: Path, **more) -> dict:
    from mixviz.training.trainer import train

    return train(run, out, **{"bar": False, "tell": lambda line: None, **more})


def weights(out: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return load_file(out / f"{name}.safetensors")


def test_a_network_is_validated_at_its_own_side(pictures, tmp_path):
    train(small(pictures, test_size=24, epochs=1), tmp_path / "larger")
    assert model_card.read(tmp_path / "larger").network.image_size == 24
    train(small(pictures, epochs=1), tmp_path / "same")
    assert model_card.read(tmp_path / "same").network.image_size == 16
    one, other = (load_file(tmp_path / name / "last.safetensors") for name in ("larger", "same"))
    assert all(torch.equal(one[key], other[key]) for key in one)  # it is trained alike


def test_a_held_out_part_is_trained_and_measured(pictures, tmp_path):
    train(small(pictures, holdout="2/3", epochs=1), tmp_path)
    assert dict(model_card.read(tmp_path).data.pictures) == {"train": 22, "val": 11}
    assert runner.assess(tmp_path, pictures, parts=["accuracy"]).metrics["images"] == 11


def same_weights(one: Path, two: Path, name: str = "last") -> bool:
    first, second = weights(one, name), weights(two, name)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def log(out: Path) -> list[dict]:
    """Read the lines of the log without the speed."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]


# ---- a run


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_of_a_run_is_held_to_its_range(name):
    about = FIELDS[name]
    assert about["text"]
    kind = type(about["default"])
    if about["low"] is not None:
        beyond = 1 if kind is int else 1e-3
        for bad in (about["low"] - beyond, about["high"] + beyond, math.nan, math.inf):
            with pytest.raises((ValueError, TypeError), match=name):
                Run(**{name: bad})
        Run(**{"epochs": 100_000, name: kind(about["low"])})
        if name != "warmup":
            Run(**{name: kind(about["high"])})
        with pytest.raises(TypeError, match=name):
            Run(**{name: "3"})
    elif about["choices"]:
        with pytest.raises(ValueError, match=about["choices"][0]):
            Run(**{name: "nonsense"})
        for choice in about["choices"]:
            assert getattr(Run(**{name: choice}), name) == choice
    if isinstance(about["default"], str):
        with pytest.raises((TypeError, ValueError), match=name):
            Run(**{name: 3})


def test_whole_numbers_are_whole():
    for name, about in FIELDS.items():
        if isinstance(about["default"], int):
            for bad in (2.5, True):
                with pytest.raises(TypeError, match="whole number"):
                    Run(**{name: bad})


def test_an_unknown_method_or_parameter_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"Did you mean 'cutmix'.*mixup"):
        Run(method="cutmx")
    with pytest.raises(TypeError, match=r"cutmix has no parameter alpa.*alpha"):
        Run(method="cutmix", options={"alpa": 1.0})
    with pytest.raises(ValueError, match="alpha=-1"):
        Run(method="cutmix", options={"alpha": -1.0})


def test_milestones_are_numbers_with_commas_between():
    assert Run(schedule="multistep", milestones="75, 150,225").steps_down() == [75, 150, 225]
    assert Run(schedule="multistep", epochs=40).steps_down() == [20, 30]
    for bad in ("60;120", "sixty", "60,,120"):
        with pytest.raises(ValueError, match="epochs with commas"):
            Run(milestones=bad)


def test_warm_up_leaves_something_to_train():
    with pytest.raises(ValueError, match="--warmup 5 leaves nothing of 5 epochs"):
        Run(epochs=5, warmup=5.0)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(0, 0.1), (59.99, 0.1), (60, 0.02), (119.5, 0.02), (120, 0.004), (159, 0.004), (160, 0.0008), (199.9, 0.0008)],
)
def test_multistep_as_in_the_papers(epoch, expected):
    """CIFAR's schedule: a fifth after 60, 120 and 160 of 200 epochs."""
    run = Run(schedule="multistep", milestones="60,120,160", gamma=0.2, lr=0.1, epochs=200)
    assert run.lr_at(epoch) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("warmup", "epoch", "expected"),
    [
        (0, 0, 0.4), (0, 2, 0.2 * (1 + math.sqrt(0.5))), (0, 4, 0.2), (0, 6, 0.2 * (1 - math.sqrt(0.5))), (0, 8, 0.0),
        (2, 0, 0.0), (2, 0.5, 0.1), (2, 1, 0.2), (2, 2, 0.4), (2, 5, 0.2), (2, 8, 0.0),
    ],
)  # fmt: skip
def test_cosine_and_warm_up_by_hand(warmup, epoch, expected):
    """The rate follows half a cosine from 0.4 to 0 over 8 epochs, with a linear warm-up from 0."""
    assert Run(lr=0.4, epochs=8, warmup=float(warmup)).lr_at(epoch) == pytest.approx(expected, abs=1e-12)


def test_warm_up_before_steps():
    run = Run(schedule="multistep", milestones="4", lr=0.4, epochs=8, warmup=2.0)
    assert [run.lr_at(epoch) for epoch in (1, 2, 3.9, 4)] == pytest.approx([0.2, 0.4, 0.4, 0.04])


def test_a_run_survives_json():
    run = Run(method="saliencymix", options={"box": "batch", "alpha": 0.5}, classes="a b, c", lr=0.1 + 0.2, warmup=1.5)
    again = Run.from_json(json.loads(json.dumps(run.to_json())))
    assert again == run
    assert again != Run()
    assert run.wanted_classes() == ["a b", "c"]


def test_no_method_has_a_parameter_that_is_a_flag_of_training():
    """Methods and training share the command line."""
    flags = {p.name for p in (*options.run_flags(), *networks._more())} | {"help", "options"}
    assert set(FIELDS) < flags
    for name, cls in mixviz.METHODS.items():
        assert not flags & set(cls.parameters()), name


# ---- checkpoints


def stepped(kind: str, steps: int = 3, seed: int = 0) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Train a small network of channels-last convolutions and batch norm for some steps."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    network = network.to(memory_format=torch.channels_last)
    values = {"lr": 0.05, "weight_decay": 0.01}
    optimizer = (
        torch.optim.AdamW(network.parameters(), **values)
        if kind == "adamw"
        else torch.optim.SGD(network.parameters(), momentum=0.9, nesterov=True, **values)
    )
    for step in range(steps):
        step_on(network, optimizer, step)
    return network, optimizer


def step_on(network: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    images = torch.from_numpy(np.random.default_rng(seed).random((5, 3, 4, 4), np.float32))
    optimizer.zero_grad()
    network(images.contiguous(memory_format=torch.channels_last)).square().sum().backward()
    optimizer.step()


def flat(network: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    states = optimizer.state_dict()["state"]
    return [*network.state_dict().values(), *(v for i in sorted(states) for _, v in sorted(states[i].items()))]


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_checkpoint_is_what_was_saved_to_the_bit(tmp_path, kind):
    path, values = tmp_path / "c.safetensors", {"epoch": 3, "pi": math.pi, "text": "Σ", "none": None, "list": [0.1]}
    network, optimizer = stepped(kind)
    files.save_tensors(path, checkpoint.pack(network, optimizer), values)
    other, its = stepped(kind, steps=1, seed=1)
    tensors, read = files.load_tensors(path)
    checkpoint.unpack(tensors, other, its)
    assert read == values
    assert len(flat(network, optimizer)) > len(network.state_dict()) + 3  # the optimizer's is among it
    for step in (None, 7, 8):
        if step is not None:
            step_on(network, optimizer, step)
            step_on(other, its, step)
        pairs = list(zip(flat(network, optimizer), flat(other, its), strict=True))
        assert all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


def test_saving_leaves_no_second_file(tmp_path):
    for _ in range(2):
        files.save_tensors(tmp_path / "c.safetensors", {"a": torch.ones(3)})
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]


class _Fails:
    """A file that accepts only the first bytes."""

    def __init__(self, file, error: BaseException) -> None:
        self.file, self.error = file, error

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.file.close()

    def __getattr__(self, name: str):
        return getattr(self.file, name)

    def write(self, content: bytes) -> None:
        self.file.write(content[: len(content) // 2])
        raise self.error


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "error", [FULL, RuntimeError("something else"), KeyboardInterrupt()], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize("where", ["open", "write", "fsync", "replace"])
def test_what_cannot_be_written_leaves_the_old_file_whole(tmp_path, monkeypatch, where, error):
    path, old, raised = tmp_path / "c.safetensors", torch.arange(1000.0), []
    files.save_tensors(path, {"a": old}, {"epoch": 1})
    real = builtins.open

    def fail(*_):
        raised.append(where)
        raise error

    def opened(file, mode="r", *rest, **named):
        if not str(file).startswith(str(tmp_path)) or mode[0] not in "wax":
            return real(file, mode, *rest, **named)
        return fail() if where == "open" else _Fails(real(file, mode, *rest, **named), raised.append(where) or error)

    with monkeypatch.context() as patch:
        if where in ("open", "write"):
            patch.setattr(builtins, "open", opened)
        else:
            patch.setattr(os, where, fail)
        with pytest.raises(type(error)) as caught:
            files.save_tensors(path, {"a": -old}, {"epoch": 2})
    assert raised
    if error is FULL:
        assert str(path) in str(caught.value)
        assert "No space left" in str(caught.value)
        assert "untouched" in str(caught.value)
    tensors, values = files.load_tensors(path)
    assert torch.equal(tensors["a"], old)
    assert values == {"epoch": 1}
    files.save_tensors(path, {"a": -old}, {"epoch": 2})  # and the next attempt succeeds
    assert files.load_tensors(path)[1] == {"epoch": 2}


class Trap:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    files.save_tensors(path, {"a": torch.arange(1000.0)}, {"epoch": 1})
    whole, trap = path.read_bytes(), tmp_path / "sprung"
    save_file({"a": torch.ones(3)}, tmp_path / "other")
    torch.save({"a": Trap(trap)}, tmp_path / "zip")
    for content in (
        b"", whole[:4], whole[:60], whole[:-1], whole[: len(whole) // 2], b"\xff" * 200, whole + b"more", b"{}" * 50,
        (tmp_path / "other").read_bytes(), pickle.dumps(Trap(trap)), (tmp_path / "zip").read_bytes(),
    ):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(ValueError, match="no checkpoint of MixViz, or damaged") as caught:
            files.load_tensors(path)
        assert str(path) in str(caught.value)
    assert not trap.exists()


def test_nothing_in_the_package_unpickles():
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for path in (ROOT / "mixviz").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not forbidden & {alias.name.split(".")[0] for alias in node.names}, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in forbidden, path
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if path.name == "conversion.py" and called == "torch.load":  # of files that the user downloaded
                    assert "weights_only=True" in ast.unparse(node)
                    continue
                assert called not in ("torch.load", "torch.hub.load", "np.load", "numpy.load"), path
                assert not {"allow_pickle", "weights_only"} & {word.arg for word in node.keywords}, path


def test_a_checkpoint_of_another_network_is_refused():
    network, optimizer = stepped("sgd")
    tensors = checkpoint.pack(network, optimizer)
    other = nn.Sequential(nn.Linear(3, 4))
    with pytest.raises(ValueError, match="another network"):
        checkpoint.unpack(tensors, other, torch.optim.SGD(other.parameters(), lr=0.1))


# ---- separate processes: a server imports everything once and forks for each


def _child(root: str, jobs: list[tuple[dict, str]], stop: tuple[str, int] | None, watch: str) -> None:
    """Train several runs in turn; die at the n-th call of a function; record each recipe's shares."""
    torch.set_num_threads(1)
    for owner, what in ((torch.optim.SGD, "step"), (torch.optim.AdamW, "step"), (os, "replace"), (os, "fsync")):
        setattr(owner, what, _fatal(getattr(owner, what), what, stop))
    seen: list[list] = []
    if watch:
        targets = Recipe.targets
        Recipe.targets = lambda self, *given: seen.append(self.share.tolist()) or targets(self, *given)
    for changes, out in jobs:
        told: list[str] = []
        train(small(Path(root), **changes), Path(out), resume=True, minutes=0.0, tell=told.append)
        (Path(out) / "told.txt").write_text("\n".join(told))
    if watch:
        (Path(watch) / f"shares{os.environ.get('RANK', 0)}.json").write_text(json.dumps(seen))


def _fatal(function: Callable, name: str, stop: tuple[str, int] | None) -> Callable:
    """Return the function before or after (``+name``) whose n-th call, counted from 1, the process is killed.

    Written files can be distinguished: ``replace checkpoint`` counts only the checkpoints.
    """
    what, when = stop or ("", 0)
    after, counted, count = what.startswith("+"), what.lstrip("+").partition(" "), [0]

    def call(*given, **named):
        mine = counted[0] == name and (not counted[2] or Path(given[-1]).name.startswith(counted[2]))
        count[0] += mine
        if mine and count[0] == when and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*given, **named)
        if mine and count[0] == when and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


@pytest.fixture(scope="module")
def fork(pictures):
    """Start a training in a process forked from a server that has imported everything."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["mixviz.training.trainer", "accelerate", "timm", "torchvision.transforms.v2",
                                   "pytest", "torch.utils.tensorboard", "psutil", "tqdm"])  # fmt: skip

    def start(jobs, stop=None, watch="", **environment) -> multiprocessing.Process:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            process = server.Process(target=_enter, args=(environment, str(pictures), jobs, stop, str(watch)))
            process.start()
        return process

    return start


def _enter(environment: dict[str, str], *given) -> None:
    os.environ.update({"ACCELERATE_USE_CPU": "true", **environment})
    _child(*given)


def ended(process: multiprocessing.Process) -> int:
    process.join(120)
    return process.exitcode


GUIDED = {
    "cutmix": {"method": "cutmix", "mix_prob": 0.5},
    "saliencymix_plus": {"method": "saliencymix_plus", "mix_prob": 0.7, "optimizer": "adamw", "lr": 0.002},
    "manifold_mixup": {"method": "manifold_mixup", "mix_prob": 0.7, "warmup": 0.5},
    "dropout": {"method": "mixup", "network": "test_vit_relpos", "image_size": 160},
    "average": {
        "method": "cutmix",
        "mix_prob": 0.5,
        "batch_size": 2,
        "accumulate": 2,
        "ema": 0.8,
        "label_smoothing": 0.1,
        "class_weights": "balanced",
    },
}
STOPS = [  # each counted from the previous stop: six steps per epoch, a checkpoint after each
    ("step", 2), ("replace checkpoint", 2), ("+replace checkpoint", 2), ("fsync", 3), ("replace best", 1),
    ("+replace best", 1), ("+replace checkpoint", 1), ("step", 3), ("replace log", 1), ("replace last", 1),
    ("replace card", 3),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", GUIDED)
def test_a_training_killed_anywhere_ends_as_one_that_was_not(tmp_path, fork, name):
    changes = GUIDED[name]
    straight = fork([(changes, str(tmp_path / "straight"))])
    for stop in STOPS:
        assert ended(fork([(changes, str(tmp_path / "killed"))], stop)) == -signal.SIGKILL, stop
    assert ended(fork([(changes, str(tmp_path / "killed"))])) == 0
    assert ended(straight) == 0
    whole, killed = tmp_path / "straight", tmp_path / "killed"
    for weight in ("last", "best"):
        assert same_weights(whole, killed, weight)
    assert log(whole) == log(killed)
    assert len(log(whole)) == 2
    assert model_card.read(whole).result == model_card.read(killed).result
    assert model_card.read(killed).made["seconds"] > 0
    ends = [files.load_tensors(out / "checkpoint.safetensors") for out in (whole, killed)]
    assert all(torch.equal(ends[0][0][key], ends[1][0][key]) for key in ends[0][0])
    assert "Going on at epoch 3" in (killed / "told.txt").read_text()  # only the writing was left
    left = {path.name for path in killed.iterdir()} - {"told.txt", "tensorboard"}
    assert left >= {path.name for path in whole.iterdir()} - {"told.txt", "tensorboard"}


def together(fork, jobs, watch="", stop=None) -> None:
    """Run the same trainings in two processes, which are killed at ``stop``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    ranks = [fork(jobs, stop, watch, RANK=str(r), LOCAL_RANK=str(r), **common) for r in range(2)]
    assert [ended(rank) for rank in ranks] == ([-signal.SIGKILL] * 2 if stop else [0, 0])


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_double_batch(tmp_path, fork, pictures):
    """Without batch norm, whose statistics are per process, only the order of adding float32 gradients differs: a
    relative rounding of 6e-8, which grows to a few millionths over ten steps of this size."""
    plain = {"network": "test_vit", "method": "baseline", "batch_size": 2, "epochs": 2, "lr": 0.01}
    mixed = {"method": "mixup", "network": "test_vit", "batch_size": 4, "epochs": 1}
    (tmp_path / "watched").mkdir()
    together(fork, [(plain, str(tmp_path / "two"))])
    together(fork, [(mixed, str(tmp_path / "mixed"))], tmp_path / "watched")
    run = small(pictures, **{**plain, "batch_size": 4})
    train(run, tmp_path / "one")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    torch.manual_seed(run.seed)
    fresh = architectures.build("test_vit", 3).state_dict()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=2e-6)
    moved = max((value - fresh[name]).abs().max().item() for name, value in one.items())
    assert moved > 1e-2  # thousands of times the tolerance
    for first, second in zip(log(tmp_path / "one"), log(tmp_path / "two"), strict=True):
        for key, value in first.items():
            assert second[key] == pytest.approx(value, rel=1e-4), key
    card = model_card.read(tmp_path / "two")
    assert card.made["hardware"].startswith("2 x ")

    shares = [json.loads((tmp_path / "watched" / f"shares{rank}.json").read_text()) for rank in range(2)]
    assert len(shares[0]) == len(shares[1]) == 3
    for ours, theirs in zip(*shares, strict=True):
        assert not set(ours[0]) & set(theirs[0])  # each process draws its own λ

    with pytest.raises(ValueError, match="trained by 2 processes, not 1"):
        train(small(pictures, **plain), tmp_path / "two", resume=True)


@pytest.mark.slow
def test_two_processes_that_accumulate_are_one_that_accumulates_twice_as_much(tmp_path, fork, pictures):
    """Each part of a mixed batch draws its own λ, the same in any process. Stopping and resuming changes no bit."""
    common = {"network": "test_vit", "method": "mixup", "label_smoothing": 0.1, "class_weights": "3,1,2", "lr": 0.01,
              "ema": 0.7}  # fmt: skip
    job = {**common, "batch_size": 2, "accumulate": 2}
    together(fork, [(job, str(tmp_path / "two"))])
    together(fork, [(job, str(tmp_path / "killed"))], stop=("step", 5))
    together(fork, [(job, str(tmp_path / "killed"))])
    train(small(pictures, **common, batch_size=2, accumulate=4), tmp_path / "one")
    assert same_weights(tmp_path / "two", tmp_path / "killed")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    torch.manual_seed(0)
    fresh = architectures.build("test_vit", 3).state_dict()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=2e-6)
    assert max((value - fresh[name]).abs().max().item() for name, value in one.items()) > 1e-3
    for first, second in zip(log(tmp_path / "one"), log(tmp_path / "two"), strict=True):
        assert second == pytest.approx(first, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"ema": 0.6}], ids=["weights", "average"])
def test_two_processes_agree_on_the_network_that_is_asked(tmp_path, fork, pictures, more):
    """Each process saw other pictures: without shared running statistics, they would compute other saliency, and
    validate other networks than the saved one."""
    job = {"method": "saliencymix_plus", "batch_size": 2, "accumulate": 2, "epochs": 2, "lr": 0.05, **more}
    together(fork, [(job, str(tmp_path / "straight"))])
    together(fork, [(job, str(tmp_path / "killed"))], stop=("step", 5))
    together(fork, [(job, str(tmp_path / "killed"))])
    assert same_weights(tmp_path / "straight", tmp_path / "killed")
    metrics = runner.assess(tmp_path / "straight", pictures, parts=["accuracy"]).metrics
    loss = log(tmp_path / "straight")[-1]["val_loss"]
    assert metrics["accuracy"]["cross_entropy_nats"] == pytest.approx(loss, abs=1e-5)


EMBEDDED = {
    "proxies": {"objective": "proxy_anchor:rate=10", "per_class": 2},
    "graded": {"objective": "smooth_ap:temperature=0.1", "per_class": 2, "method": "mixup"},
    "teacher": {"objective": "stml:neighbours=2,wide=8", "per_class": 2, "ema": 0.5},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EMBEDDED)
def test_two_processes_that_embed_are_one_that_accumulates(tmp_path, fork, pictures, name):
    """The candidates of a loss are the process's own batch, as they are those of an accumulated part, and gradients are
    averaged: also those of proxies, and of the layers beside the network's forward pass. Without batch norm."""
    job = {"network": "test_efficientnet_gn", "method": "baseline", "dimensions": 6, "batch_size": 4, "lr": 0.01,
           **EMBEDDED[name]}  # fmt: skip
    together(fork, [(job, str(tmp_path / "two"))])
    run = small(pictures, **job, accumulate=2)
    train(run, tmp_path / "one")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    torch.manual_seed(run.seed)
    scores = name == "proxies"
    fresh = architectures.build(run.network, 3, dimensions=6, scores=scores).state_dict()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-3, atol=1e-5)
    assert max((value - fresh[key]).abs().max().item() for key, value in one.items()) > 1e-3
    for first, second in zip(log(tmp_path / "one"), log(tmp_path / "two"), strict=True):
        assert second == pytest.approx(first, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["proxies", "teacher"])
def test_two_processes_that_embed_go_on_where_they_were_stopped(tmp_path, fork, pictures, name):
    """A resumed training has the first process's running statistics and average: the others should have had them."""
    job = {"method": "baseline", "head": "netvlad:clusters=2", "dimensions": 6, "batch_size": 4, "lr": 0.05,
           "ema": 0.6, **EMBEDDED[name]}  # fmt: skip
    together(fork, [(job, str(tmp_path / "straight"))])
    together(fork, [(job, str(tmp_path / "killed"))], stop=("step", 2))
    together(fork, [(job, str(tmp_path / "killed"))])
    assert same_weights(tmp_path / "straight", tmp_path / "killed")
    for first, second in zip(log(tmp_path / "straight"), log(tmp_path / "killed"), strict=True):
        assert all(first[key] == second[key] for key in ("val_loss", "top1", "top5"))


# ---- the loop


def test_a_run_twice_is_the_same_run_and_another_seed_another(tmp_path, pictures):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        torch.manual_seed(len(name))  # has no effect
        train(small(pictures, epochs=1, seed=seed), tmp_path / name)
    assert same_weights(tmp_path / "one", tmp_path / "two")
    assert log(tmp_path / "one") == log(tmp_path / "two")
    assert not same_weights(tmp_path / "one", tmp_path / "three")


def test_what_a_training_leaves_behind(tmp_path, pictures):
    told = []
    result = train(small(pictures, epochs=3), tmp_path / "out", tell=told.append)
    lines = log(tmp_path / "out")
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    for line in lines:
        assert all(math.isfinite(value) for value in line.values())
        assert all(0 <= line[key] <= 100 for key in ("top1", "top5", "train_share_accuracy"))
    assert lines[0]["lr"] == pytest.approx(0.02 * (1 + math.cos(math.pi * 5 / 18)) / 2)  # of the sixth of 18 steps
    card = model_card.read(tmp_path / "out")
    assert card.result == json.loads(json.dumps(result)) == json.loads(json.dumps(model_card.summary(lines)))
    assert card.data.classes == ("ant", "bee", "cat")
    assert card.data.pictures == {"train": 24, "val": 9}
    assert "ant, bee, cat" in (tmp_path / "out" / "card.md").read_text()
    assert (
        str(pictures) not in (tmp_path / "out" / "card.json").read_text()
    )  # the card does not reveal the data's folder
    assert [line.split(":")[0] for line in told] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert not list(tmp_path.rglob("*.part"))


class Dull(nn.Module):
    """A network with the same class scores for every picture: 3, 2, 1, 0, …"""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.stage = nn.Conv2d(3, 2, 1)
        self.bias = nn.Parameter(torch.arange(num_classes, 0, -1.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.stage(images).mean((1, 2, 3))[:, None] * 0 + self.bias


def dull(monkeypatch) -> None:
    monkeypatch.setattr(architectures, "build", lambda name, num_classes, **_: Dull(num_classes))


@pytest.mark.parametrize("method", ["baseline", "mixup", "cutmix", "mosaic", "saliencymix"])
def test_what_the_log_says_by_hand(tmp_path, monkeypatch, method):
    """With a network that always ranks seven classes alike and never learns, all numbers follow from the labels."""
    dull(monkeypatch)
    root, names, given = picture_folder(tmp_path / "d", "abcdefg", train=4, val=2), 7, []
    for extra in range(3):  # class a has five of 17 validation pictures
        data_file = root / "val" / "a" / "00.png"
        (root / "val" / "a" / f"more{extra}.png").write_bytes(data_file.read_bytes())
    targets = Recipe.targets
    monkeypatch.setattr(Recipe, "targets", lambda self, *a: given.append(targets(self, *a)) or given[-1])
    train(small(root, method=method, mix_prob=0.7, epochs=1, lr=0.0, weight_decay=0.0), tmp_path / "out")
    (line,) = log(tmp_path / "out")
    scores = torch.arange(names, 0, -1.0, dtype=torch.float64)
    surprise = torch.logsumexp(scores, 0) - scores
    soft = torch.cat(given).double()
    assert len(soft) == 28
    assert line["train_share_accuracy"] == pytest.approx(100 * soft[:, 0].mean().item(), rel=1e-5)
    assert line["train_loss"] == pytest.approx((soft @ surprise).mean().item(), rel=1e-5)
    assert line["top1"] == pytest.approx(100 * 5 / 17)
    assert line["top5"] == pytest.approx(100 * 13 / 17)  # five of a, two each of b to e
    expected = (5 * surprise[0] + 2 * surprise[1:].sum()) / 17
    assert line["val_loss"] == pytest.approx(expected.item(), rel=1e-5)
    if method == "baseline":
        assert line["train_share_accuracy"] == pytest.approx(100 / 7)


def test_the_share_of_batches_that_are_mixed(tmp_path, monkeypatch, pictures):
    dull(monkeypatch)
    layers, targets = [], Recipe.targets
    monkeypatch.setattr(Recipe, "targets", lambda self, *a: layers.append(len(self.partner)) or targets(self, *a))
    for chance, low, high in ((0.0, 0, 0), (0.3, 25, 47), (1.0, 120, 120)):  # of 120 batches; 36 ± 3 deviations of 5
        layers.clear()
        train(small(pictures, method="mixup", mix_prob=chance, epochs=20), tmp_path / str(chance))
        assert low <= sum(k == 2 for k in layers) <= high


def test_crops_say_nothing_about_mixing(tmp_path, monkeypatch, pictures):
    """The mixing of a batch must not depend on the crops of its pictures."""
    dull(monkeypatch)
    draws, real = [], np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda *a: draws.append(repr(a)) or real(*a))
    train(small(pictures, epochs=1), tmp_path / "out")
    assert len(draws) == len(set(draws)) == 14  # the rehearsal, the order, and crops and mixture of each of six steps


def test_the_median_of_the_last_ten_by_hand():
    history = [
        {"epoch": i + 1, "top1": top1, "top5": top1 + 10, "val_loss": 1.0, "train_loss": 2.0,
         "train_share_accuracy": 3.0}
        for i, top1 in enumerate([90, 80, 10, 20, 30, 70, 40, 50, 60, 65, 61, 62])
    ]  # fmt: skip
    found = model_card.summary(history)
    assert found["last"] == {"epoch": 12, "top1": 62, "top5": 72, "val_loss": 1.0}
    assert found["best"] == {"epoch": 1, "top1": 90, "top5": 100, "val_loss": 1.0}
    assert found["median_of_last_10"] == {"top1": 55, "top5": 65}  # 10 20 30 40 50 | 60 61 62 65 70
    assert model_card.summary(history[:3])["median_of_last_10"]["top1"] == 80
    history[4]["top1"] = 90
    assert model_card.summary(history)["best"]["epoch"] == 1  # on ties the first


class Moody(Dull):
    """A network that counts its training steps, and predicts another class after each epoch of six."""

    def __init__(self, num_classes: int, says: list[int]) -> None:
        super().__init__(num_classes)
        self.register_buffer("steps", torch.zeros(1))
        self.says = says

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.steps += 1
            return super().forward(images)
        epoch = max(int(self.steps) // 6 - 1, 0)
        return super().forward(images) * 0 + torch.eye(3)[self.says[epoch]]


@pytest.mark.parametrize(("says", "best"), [([1, 0, 0, 2], 2), ([0, 1, 0], 1), ([1, 2, 0], 3), ([0, 0, 1], 1)])
def test_the_best_weights_are_those_of_the_best_epoch_on_the_card(tmp_path, monkeypatch, pictures, says, best):
    """Class 0 is right most often, and the others tie. On ties the first epoch counts, with weights and number."""
    monkeypatch.setattr(architectures, "build", lambda name, num_classes, **_: Moody(num_classes, says))
    root = picture_folder(tmp_path / "d", train=8, val=2)
    (root / "val" / "ant" / "more.png").write_bytes((root / "val" / "ant" / "00.png").read_bytes())
    result = train(small(root, epochs=len(says)), tmp_path / "out")
    assert result["best"]["epoch"] == best
    assert weights(tmp_path / "out", "best")["steps"].item() == 6 * best
    assert weights(tmp_path / "out")["steps"].item() == 6 * len(says)
    assert [line["top1"] for line in log(tmp_path / "out")] == pytest.approx([100 * (3 - (c > 0)) / 7 for c in says])


@pytest.mark.parametrize("name", mixviz.METHODS)
@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_every_method_trains(tmp_path, pictures, name, precision):
    """Train two steps at 32 px, resumed from a checkpoint in between."""
    run = small(pictures, method=name, image_size=32, batch_size=12, epochs=1, precision=precision)
    result = train(run, tmp_path / "out", minutes=0.0)
    assert math.isfinite(result["train_loss"])
    assert all(value.isfinite().all() for value in weights(tmp_path / "out").values() if value.is_floating_point())
    assert files.load_tensors(tmp_path / "out" / "checkpoint.safetensors")[1]["at"]["epoch"] == 1


def test_asking_the_network_where_it_looks_leaves_no_trace(tmp_path, monkeypatch, pictures):
    """SaliencyMix+ gives the same weights and batch-norm statistics, to the bit, as with saliency from a copy of the
    network; so gradients, statistics, training flags and random numbers are restored."""
    run = small(pictures, method="saliencymix_plus", epochs=1)
    drops, real = {"drop_rate": 0.5}, architectures.build

    def build(name: str, num_classes: int, **options) -> nn.Module:
        import timm

        assert real(name, num_classes, **options)
        return timm.create_model(name, num_classes=num_classes, **drops)  # it draws random numbers in every step

    monkeypatch.setattr(architectures, "build", build)
    train(run, tmp_path / "asked")
    asked, saliency = [], Batch.saliency

    def of_a_copy(self: Batch, detector="fine_grained") -> torch.Tensor:
        state, copy = torch.get_rng_state(), pickle.loads(pickle.dumps(self.network))
        maps = saliency(Batch(self.images, self.labels, copy, mean=self.mean.ravel(), std=self.std.ravel()), detector)
        torch.set_rng_state(state)
        asked.append(detector)
        return maps

    monkeypatch.setattr(Batch, "saliency", of_a_copy)
    train(run, tmp_path / "copied")
    assert asked == ["gradient"] * 7  # the rehearsal and six steps
    assert same_weights(tmp_path / "asked", tmp_path / "copied")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"network": "resnet81"}, "no network 'resnet81'. Did you mean resnet18"),
        ({"network": "test_vit", "stem": "small"}, "only ResNets have a stem"),
        ({"network": "test_vit", "width": 0.5}, "only ResNets can be made wider"),
        ({"network": "resnetv2_50", "width": 0.5}, "only ResNets can be made wider"),
        ({"network": "dla34", "width": 0.5}, "only ResNets can be made wider"),
        ({"precision": "fp16"}, "fp16 needs a GPU"),
        ({"batch_size": 25}, r"24 training pictures make no batch of 25 \(25 on each of 1\): lower --batch-size"),
        ({"limit": 1}, "3 training pictures make no batch of 4"),
        ({"classes": "ant,wasp"}, "No class is called 'wasp'. There are: ant, bee, cat"),
        ({"data": "tiny_imagenet"}, "official layout"),
        ({"network": "swin_tiny_patch4_window7_224"}, "swin_tiny_patch4_window7_224 cannot take pictures of 16x16 px"),
        ({"method": "saliencymix", "options": {"detector": "nothing"}}, "There is no 'nothing'"),
        ({"method": "manifold_mixup", "options": {"stages": 8}}, "stage 8, and this network has 4"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(tmp_path, pictures, changes, says):
    with pytest.raises(ValueError, match=says):
        train(small(pictures, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_needs_resume_and_the_same_run(tmp_path, pictures):
    out, run = tmp_path / "out", small(pictures, epochs=1)
    train(run, out, resume=True)  # without a checkpoint it starts anew
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with pytest.raises(ValueError, match="holds a training already: go on with --resume, or give another --out"):
        train(run, out)
    for changes, names in (({"lr": 0.03}, "lr"), ({"method": "mixup", "seed": 1}, "method, seed"),
                           ({"options": {"alpha": 0.5}}, "options"), ({"epochs": 2}, "epochs")):  # fmt: skip
        with pytest.raises(ValueError, match=f"another run; it differs in {names}"):
            train(small(pictures, **{"epochs": 1, **changes}), out, resume=True)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_the_data_may_have_moved(tmp_path, pictures):
    out, elsewhere = tmp_path / "out", picture_folder(tmp_path / "moved")
    train(small(pictures), out)
    assert train(small(elsewhere), out, resume=True)["last"]["epoch"] == 2


def test_resuming_what_has_ended_changes_nothing(tmp_path, pictures):
    """Even the card stays, which may hold measurements by then."""
    out, run = tmp_path / "out", small(pictures, epochs=1)
    result = train(run, out)
    card_text.write(out, model_card.read(out).changed(metrics={"calibration": 0.5}))
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert train(run, out, resume=True) == result
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_a_checkpoint_that_is_none_is_refused(tmp_path, pictures):
    out, run = tmp_path / "out", small(pictures, epochs=1)
    train(run, out)
    for name in ("last", "log"):
        content = next(out.glob(f"{name}.*")).read_bytes()
        (out / "checkpoint.safetensors").write_bytes(content)
        with pytest.raises(ValueError, match=r"checkpoint.safetensors is no checkpoint"):
            train(run, out, resume=True)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_loss_that_is_no_number_ends_the_training(tmp_path, pictures, optimizer):
    run = small(pictures, network="test_vit", optimizer=optimizer, lr=1000.0)
    with pytest.raises(
        ValueError, match=r"The (loss|weights) became (nan|inf) at epoch 1, step \d .*lower --lr \(1000\)"
    ):
        train(run, tmp_path / "out", minutes=0.0)
    tensors, values = files.load_tensors(tmp_path / "out" / "checkpoint.safetensors")
    assert values["at"]["step"] > 0
    assert all(tensor.isfinite().all() for name, tensor in tensors.items() if name.startswith("network."))
    assert model_card.read(tmp_path / "out").result is None


@pytest.mark.parametrize("ruined", [1, 5, 6])
def test_weights_that_are_no_numbers_never_reach_a_checkpoint(tmp_path, monkeypatch, pictures, ruined):
    """The step that ruins them has a finite loss; only a next step would reveal it, but this one is the last."""
    steps, real = [0], torch.optim.SGD.step

    def step(self, *given):
        result = real(self, *given)
        steps[0] += 1
        if steps[0] == 6 + ruined:
            next(iter(self.state)).data.fill_(math.nan)
        return result

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    with pytest.raises(ValueError, match=f"nan at epoch 2, step {ruined}.*lower --lr"):
        train(small(pictures), tmp_path / "out", minutes=0.0)
    tensors, values = files.load_tensors(tmp_path / "out" / "checkpoint.safetensors")
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert (values["at"]["epoch"], values["at"]["step"]) == (1, ruined - 1)
    assert all(tensor.isfinite().all() for tensor in weights(tmp_path / "out", "best").values())


def test_a_full_disk_is_told_and_costs_nothing_that_was_saved(tmp_path, monkeypatch, pictures):
    out, count, real = tmp_path / "out", [0], os.replace

    def full(source, target):
        count[0] += Path(target).name == "checkpoint.safetensors"
        if count[0] == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match=r"checkpoint.safetensors could not be written \(No space left on device\)"):
            train(small(pictures), out, minutes=0.0)
    told = []
    train(small(pictures), out, resume=True, tell=told.append)
    assert told[0] == "Going on at epoch 1, step 3 of 6."
    train(small(pictures), tmp_path / "straight")
    assert same_weights(out, tmp_path / "straight")


@pytest.mark.parametrize("augment", ["crop", "resized"])
def test_pictures_are_streamed_where_they_do_not_fit(tmp_path, monkeypatch, pictures, augment):
    """Stopping within an epoch and resuming, with pictures read from the files, changes no bit."""
    run = small(pictures, augment=augment, epochs=1)
    train(run, tmp_path / "whole")
    steps, real = [0], torch.optim.SGD.step

    def step(self, *given):
        steps[0] += 1
        if steps[0] == 4:
            raise KeyboardInterrupt
        return real(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", step)
        with pytest.raises(KeyboardInterrupt):
            train(run, tmp_path / "halted", minutes=0.0)
    monkeypatch.setattr(loader, "fits", lambda *_: False)
    told = []
    train(run, tmp_path / "halted", resume=True, tell=told.append)
    assert told[0] == "Going on at epoch 1, step 3 of 6."
    assert same_weights(tmp_path / "whole", tmp_path / "halted")
    assert log(tmp_path / "whole") == log(tmp_path / "halted")


def test_damaged_pictures_are_left_out_where_that_is_asked_for(tmp_path):
    root, told = picture_folder(tmp_path / "d"), []
    (root / "train" / "bee" / "03.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"03.png could not be read"):
        train(small(root, epochs=1), tmp_path / "out")
    train(small(root, epochs=1, corrupt="skip"), tmp_path / "out", tell=told.append)
    assert "03.png" in told[0]
    assert model_card.read(tmp_path / "out").data.pictures == {"train": 23, "val": 9}


def test_classes_and_limit(tmp_path, pictures):
    train(small(pictures, classes="cat, ant", limit=3, epochs=1), tmp_path / "out")
    card = model_card.read(tmp_path / "out")
    assert card.data.classes == ("cat", "ant")
    assert card.data.pictures == {"train": 6, "val": 6}
    assert weights(tmp_path / "out")["fc.weight"].shape[0] == 2


@pytest.mark.parametrize("network", ["test_vit", "vit_tiny_patch16_224"])
def test_networks_without_maps_train_too(tmp_path, monkeypatch, network):
    """A transformer without a stage for heat maps can still be trained."""
    import timm

    real = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **more: real(name, img_size=32, **more))
    root = picture_folder(tmp_path / "d", train=2, val=1, side=32)
    result = train(small(root, network=network, image_size=32, epochs=1), tmp_path / "out")
    assert math.isfinite(result["last"]["val_loss"])
