"""Speed of mixing on a GPU, compared with torchvision v2 and timm: ``python -m benchmarks.gpu``.

Three ways to mix take turns: masks by eager torch, masks by ``torch.compile``, and the Triton kernel. The tables show

- pixels alone, started one by one, and replayed from a CUDA graph, where only the GPU's own time counts;
- the whole mixing of a batch: plan, pixels and labels;
- what mixing adds to a training step of a ResNet under bf16 autocast.

Times are those of CUDA events; the best of several interleaved rounds counts.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import mixviz
from benchmarks.timing import rate, table
from mixviz.core import apply, apply_triton

SIZES = {32: 128, 64: 128, 224: 64}
STEPS = {"resnet18": (64, 128), "resnet50": (224, 64)}
DTYPES = (torch.float32, torch.bfloat16)
KINDS = ("cutmix", "mixup", "saliencymix")
CLASSES = 100
IN_GRAPH = 10  # mixtures per replay, so that starting the graph hardly counts

Call = Callable[[], object]
Mixing = Callable[[mixviz.Recipe, Tensor], Tensor]
Mixer = Callable[[], tuple[Tensor, Tensor]]


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds; the best of each counts")
    parser.add_argument("--steps", type=int, default=30, help="training steps of each kind")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks.gpu needs a CUDA device, and torch sees none here.")
    device = torch.device("cuda")
    torch.backends.cudnn.benchmark = True
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA {torch.version.cuda}\n", flush=True)
    for dtype in DTYPES:
        for kind in KINDS:
            print(mixing_tables(kind, dtype, SIZES, device, options.rounds), flush=True)
    for network, (size, n) in STEPS.items():
        print(step_table(network, size, n, device, options.steps), flush=True)


def make_batch(n: int, size: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Make random images (n, 3, size, size) and labels on the device."""
    images = torch.rand(n, 3, size, size, device=device).to(dtype)
    return images, torch.randint(0, CLASSES, (n,), device=device)


def ways(images: Tensor, recipe: mixviz.Recipe) -> dict[str, Mixing]:
    """Return the ways to mix images by a recipe, each of which mixes this one; the kernel writes into a buffer."""
    compiled, buffer = torch.compile(apply.by_masks, dynamic=False), torch.empty_like(images)

    def by_kernel(recipe: mixviz.Recipe, images: Tensor) -> Tensor:
        if not (apply_triton.usable(images) and apply.by_kernel(recipe, images, buffer)):
            raise RuntimeError(f"Triton is not installed, or its kernel does not run here. {apply_triton._failed}")
        return buffer

    result = {}
    for way, mix in (
        ("masks, eager", apply.by_masks),
        ("masks, torch.compile", compiled),
        ("Triton kernel", by_kernel),
    ):
        try:
            mix(recipe, images)
            result[way] = mix
        except Exception as error:  # e.g. no C compiler
            print(f"{way} is left out: {error}", file=sys.stderr)
    return result


def ours(mix: Mixing, kind: str, images: Tensor, labels: Tensor) -> Mixer:
    """Make a mixer that plans, mixes pixels and labels; λ and box per image."""
    method, rng = mixviz.METHODS[kind](), np.random.default_rng(0)

    def step() -> tuple[Tensor, Tensor]:
        recipe = method.plan(mixviz.Batch(images, labels), rng)
        return mix(recipe, images), recipe.targets(labels, CLASSES)

    return step


def peers(kind: str, images: Tensor, labels: Tensor) -> dict[str, Mixer]:
    """Make other libraries' mixers, with one λ and box per batch; timm mixes in place, so it gets its own batch."""
    result: dict[str, Mixer] = {}
    if kind not in ("cutmix", "mixup"):
        return result
    with contextlib.suppress(ImportError):
        from torchvision.transforms import v2

        result["torchvision v2 (per batch)"] = partial(
            {"cutmix": v2.CutMix, "mixup": v2.MixUp}[kind](num_classes=CLASSES), images, labels
        )
    with contextlib.suppress(ImportError):
        from timm.data.mixup import Mixup

        alphas = {"mixup_alpha": 0.0, "cutmix_alpha": 1.0} if kind == "cutmix" else {"mixup_alpha": 1.0}
        theirs = Mixup(**alphas, mode="batch", num_classes=CLASSES, label_smoothing=0.0)
        result["timm (per batch, in place)"] = partial(theirs, images.clone(), labels)
    return result


def mixing_tables(kind: str, dtype: torch.dtype, sizes: dict[int, int], device: torch.device, rounds: int) -> str:
    """Measure a kind of mixing at all sizes (side: batch), as two tables: pixels alone, and whole batches."""
    pixels: dict[str, list[str]] = {}
    whole: dict[str, list[str]] = {}
    for size, n in sizes.items():
        torch.compiler.reset()  # a function is compiled for a few kinds of inputs, then no more
        images, labels = make_batch(n, size, dtype, device)
        recipe = mixviz.METHODS[kind]().plan(mixviz.Batch(images, labels), np.random.default_rng(0))
        roads, copy = ways(images, recipe), partial(torch.empty_like(images).copy_, images)
        calls: dict[str, Call] = {"copy_": copy} | {way: partial(mix, recipe, images) for way, mix in roads.items()}
        if device.type == "cuda":
            calls |= {f"{way}, in a CUDA graph": in_graph(call) for way, call in calls.items()}
        times = best_times(calls, device, rounds)
        for way, seconds in times.items():
            graph = way.endswith("graph")
            per, base = (IN_GRAPH, "copy_, in a CUDA graph") if graph else (1, "copy_")
            pixels.setdefault(way, []).append(f"{rate(n * per / seconds)} ({seconds / times[base]:.1f})")
        mixers: dict[str, Call] = {way: ours(mix, kind, images, labels) for way, mix in roads.items()}
        times = best_times({"copy_": copy} | mixers | peers(kind, images, labels), device, rounds)
        for way, seconds in times.items():
            whole.setdefault(way, []).append(f"{rate(n / seconds)} ({seconds / times['copy_']:.1f})")
    header, name = ["by", *(f"{size} px" for size in sizes)], f"{kind}, {str(dtype).removeprefix('torch.')}"
    return "\n".join(
        table(f"{name}, {what}: images/s (time over `copy_`)", header, [[way, *cells] for way, cells in rows.items()])
        for what, rows in (("pixels alone", pixels), ("plan, pixels and labels", whole))
    )


def in_graph(call: Call) -> Call:
    """Capture a call, ``IN_GRAPH`` times, in a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()  # compiles
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(IN_GRAPH):
            call()
    return graph.replay


def best_times(calls: dict[str, Call], device: torch.device, rounds: int, slice_s: float = 0.04) -> dict[str, float]:
    """Measure the seconds per call of each candidate: the minimum over interleaved rounds of about ``slice_s``."""
    for call in calls.values():
        for _ in range(3):
            call()  # the first calls compile or allocate
    repeats = {way: max(1, int(slice_s / seconds(call, 5, device))) for way, call in calls.items()}
    turns = [{way: seconds(call, repeats[way], device) for way, call in calls.items()} for _ in range(rounds)]
    return {way: min(turn[way] for turn in turns) for way in calls}


def seconds(call: Call, repeats: int, device: torch.device) -> float:
    """Measure the seconds per call of ``repeats`` calls in a row, by CUDA events; on the CPU by its clock."""
    if device.type == "cpu":
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - start) / repeats
    torch.cuda.synchronize()
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    for _ in range(repeats):
        call()
    last.record()
    last.synchronize()
    return first.elapsed_time(last) / 1000 / repeats


def step_table(network: str, size: int, n: int, device: torch.device, steps: int) -> str:
    """Measure what mixing adds to a training step; a plain step precedes each, and the median ratio counts."""
    torch.compiler.reset()
    images, labels = make_batch(n, size, torch.float32, device)
    images = images.contiguous(memory_format=torch.channels_last)
    recipe = mixviz.METHODS[KINDS[0]]().plan(mixviz.Batch(images, labels), np.random.default_rng(0))
    plain, roads = F.one_hot(labels, CLASSES).float(), ways(images, recipe)
    mixers: dict[str, Mixer] = {}
    for kind in KINDS:
        mixers |= {f"{kind}: mixviz, {way}": ours(mix, kind, images, labels) for way, mix in roads.items()}
        mixers |= {f"{kind}: {library}": mixer for library, mixer in peers(kind, images, labels).items()}
    train = training(network, device)
    baseline = partial(step, train, lambda: (images, plain))
    rows = []
    for way, mixer in mixers.items():
        mixed = partial(step, train, mixer)
        for _ in range(3):
            baseline(), mixed()
        pairs = [(seconds(baseline, 3, device), seconds(mixed, 3, device)) for _ in range(steps)]
        base, ratio = statistics.median(p for p, _ in pairs), statistics.median(m / p for p, m in pairs)
        rows.append([way, rate(n / base / ratio), f"{100 * (ratio - 1):+.1f} %", f"{1e3 * base * (ratio - 1):+.2f} ms"])
    title = f"A training step of {network}, {size} px, batch {n}, bf16 autocast, channels_last"
    return table(title, ["mixing", "images/s", "against a plain step", "added"], rows)


def step(train: Callable[[Tensor, Tensor], Tensor], mixer: Mixer) -> Tensor:
    """Mix a batch and train on it."""
    return train(*mixer())


def training(network: str, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """Make a function that trains a network of torchvision by one step, and returns the loss before it."""
    from torchvision import models

    model = models.get_model(network, num_classes=CLASSES).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def train(images: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            loss = F.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return train


if __name__ == "__main__":
    main()
