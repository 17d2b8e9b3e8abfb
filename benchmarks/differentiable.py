"""Differentiable search of a policy (Faster AutoAugment), against random search at equal time, before the judge.

``python -m benchmarks.differentiable --data tiny_imagenet --root FOLDER [--classes A,B] [--limit 100] [--minutes 5]
[--searches 3] [--seeds 5] [--out FOLDER]``; the same line again goes on.

Policies are those of Faster AutoAugment (Hataya, Zdenek, Yoshizoe, Nakayama, ECCV 2020, arXiv:1911.06987): sequences of
steps, each a weighted sum over operations, with a probability and a strength that the gradient reaches. A critic with
gradient penalty tells augmented pictures from real ones, a classifier keeps their classes, and the policy learns to
please both. Of the catalogue, these operations have such a gradient: their drawn values are the strength times a number
that does not depend on it. The result takes the heaviest operation of each step.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2.functional import rgb_to_grayscale

from benchmarks.timing import table
from mixviz import METHODS
from mixviz.core.policy import Policy, Sequence, Stage, Step
from mixviz.evaluation.paired import Difference, over_seeds
from mixviz.networks import architectures
from mixviz.networks.run import Run
from mixviz.search import contestants, data, judge, space
from mixviz.search.budget import Budget
from mixviz.search.settings import DEFAULTS
from mixviz.search.strategies.random import Random
from mixviz.search.strategy import Task
from mixviz.search.study import search

SEQUENCES, STEPS = 10, 2
HARD, SURE = 0.05, 0.05  # temperatures of the choice among operations, and of the probabilities (the paper's)
CLASSES, PENALTY = 1.0, 10.0  # weights of the classifier's loss and of the gradient penalty
RATE = 1e-3  # Adam's


@dataclass(frozen=True)
class Relaxed:
    """An operation of the catalogue: ``strength`` of ``method`` lies in ``low`` to ``high``, and
    ``change(images (N, 3, H, W), strength, drawn (N,) in -1 to 1)`` has its gradient."""

    method: str
    strength: str
    low: float
    high: float
    change: Callable[[Tensor, Tensor, Tensor], Tensor]

    def step(self, share: float, probability: float) -> Step:
        """Return the step of a policy whose strength is at a share of the range."""
        own = METHODS[self.method]
        others = {"degrees": 0.0, "shift": 0.0, "zoom": 1.0, "shear": 0.0} if self.method == "affine" else {}
        strength = round(self.low + share * (self.high - self.low), 3)
        return Step(own(**{**others, self.strength: strength}), round(probability, 3))


def _towards(degenerate: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def change(images: Tensor, strength: Tensor, drawn: Tensor) -> Tensor:
        factor = (1 + strength * drawn)[:, None, None, None]
        return torch.lerp(degenerate(images), images, factor).clamp(0, 1)

    return change


def _moved(part: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def change(images: Tensor, strength: Tensor, drawn: Tensor) -> Tensor:
        one, zero = torch.ones_like(drawn), torch.zeros_like(drawn)
        angle = -torch.deg2rad(strength * drawn) if part == "degrees" else zero  # counter-clockwise
        scale = strength**drawn if part == "zoom" else one
        slope = torch.tan(torch.deg2rad(strength * drawn)) if part == "shear" else zero
        across = 2 * strength * drawn if part == "shift" else zero
        cos, sin = angle.cos() / scale, angle.sin() / scale
        wide = images.shape[3] / images.shape[2]  # affine_grid counts in half sides
        rows = [cos - sin * slope, (sin + cos * slope) / wide, -across, -sin * wide, cos, zero]
        grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(images.shape), align_corners=False)
        mean = images.new_tensor(MEAN).view(3, 1, 1)
        return F.grid_sample(images - mean, grid, align_corners=False) + mean

    return change


MEAN = (0.485, 0.456, 0.406)  # fill of the area outside, ImageNet's mean
OPERATIONS = (
    Relaxed("brightness", "strength", 0, 1, _towards(torch.zeros_like)),
    Relaxed("contrast", "strength", 0, 1,
            _towards(lambda x: rgb_to_grayscale(x).mean((1, 2, 3), keepdim=True).expand_as(x))),
    Relaxed("saturation", "strength", 0, 1, _towards(lambda x: rgb_to_grayscale(x).expand_as(x))),
    Relaxed("rotation", "degrees", 0, 180, _moved("degrees")),
    Relaxed("affine", "shift", 0, 1, _moved("shift")),
    Relaxed("affine", "zoom", 1, 4, _moved("zoom")),
    Relaxed("affine", "shear", 0, 60, _moved("shear")),
)  # fmt: skip


class RelaxedPolicy(nn.Module):
    """Sequences whose choices, probabilities and strengths have gradients."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__()
        shape = SEQUENCES, STEPS, len(OPERATIONS)
        self.weights = nn.Parameter(0.01 * torch.randn(shape, generator=rng))
        self.probabilities = nn.Parameter(torch.zeros(shape[:2]))
        self.strengths = nn.Parameter(torch.randn(shape, generator=rng))
        self.rng = rng

    def forward(self, images: Tensor) -> Tensor:
        """Augment pictures (N, 3, H, W) in [0, 1] by one of the sequences."""
        chosen = int(torch.randint(SEQUENCES, (), generator=self.rng))
        for step in range(STEPS):
            weights = (self.weights[chosen, step] / HARD).softmax(0)
            strengths = self.strengths[chosen, step].sigmoid()
            changed = torch.zeros_like(images)
            for one, weight, share in zip(OPERATIONS, weights, strengths, strict=True):
                drawn = 2 * torch.rand(len(images), generator=self.rng) - 1
                changed = changed + weight * one.change(images, one.low + share * (one.high - one.low), drawn)
            noise = torch.rand(len(images), generator=self.rng).clamp(1e-6, 1 - 1e-6).logit()
            used = ((self.probabilities[chosen, step] + noise) / SURE).sigmoid()[:, None, None, None]
            images = used * changed + (1 - used) * images
        return images

    def policy(self) -> Policy:
        """Return the heaviest operation of each step."""
        sequences = []
        for chosen in range(SEQUENCES):
            steps = []
            for step in range(STEPS):
                best = int(self.weights[chosen, step].argmax())
                share = self.strengths[chosen, step, best].sigmoid().item()
                steps.append(OPERATIONS[best].step(share, self.probabilities[chosen, step].sigmoid().item()))
            sequences.append(Sequence(tuple(steps)))
        return Policy((Stage(tuple(sequences)),), {"by": "benchmarks.differentiable"})


def differentiable(task: Task, seconds: float) -> Policy:
    """Search a policy by gradient for so many seconds."""
    torch.manual_seed(task.run.seed)
    rng = torch.Generator().manual_seed(task.run.seed)
    images = torch.stack([torch.from_numpy(one) for one in task.train.pictures]).permute(0, 3, 1, 2).float() / 255
    classes, size = len(task.train.classes), task.run.batch_size
    critic = architectures.build(task.run.network, classes + 1, stem=task.run.stem, width=task.run.width)
    policy = RelaxedPolicy(rng)
    ours, theirs = (torch.optim.Adam(of.parameters(), RATE, betas=(0.0, 0.999)) for of in (policy, critic))
    mean = torch.tensor(MEAN).view(3, 1, 1)

    def scores(pictures: Tensor) -> tuple[Tensor, Tensor]:
        found = critic((pictures - mean) / 0.225)
        return found[:, :classes], found[:, classes]

    start = time.monotonic()
    while time.monotonic() - start < seconds:
        order = torch.randperm(len(images), generator=rng)
        for both in order[: len(order) // (2 * size) * 2 * size].split(2 * size):
            real, other = images[both[:size]], images[both[size:]]
            labels, labels_other = task.train.labels[both[:size]], task.train.labels[both[size:]]
            with torch.no_grad():
                fake = policy(other)
            between = torch.lerp(real, fake, torch.rand(size, 1, 1, 1, generator=rng)).requires_grad_()
            slope = torch.autograd.grad(scores(between)[1].sum(), between, create_graph=True)[0].flatten(1).norm(dim=1)
            known, reality = scores(real)
            loss = scores(fake)[1].mean() - reality.mean() + PENALTY * (slope - 1).square().mean()
            theirs.zero_grad()
            (loss + CLASSES * F.cross_entropy(known, labels)).backward()
            theirs.step()
            found, reality = scores(policy(other))
            ours.zero_grad()
            (CLASSES * F.cross_entropy(found, labels_other) - reality.mean()).backward()
            ours.step()
            if time.monotonic() - start >= seconds:
                break
    return policy.policy()


def same_space() -> space.Space:
    """Return the space of random search: the same operations in their whole ranges, in as many steps."""
    return space.parse({"methods": {one.method: {} for one in OPERATIONS}, "steps": STEPS})


def write(path: Path, policy: Policy) -> str:
    """Write a policy, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(policy.to_json(), indent=1))
    return str(path)


def main() -> None:
    """Search with both, judge, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="tiny_imagenet")
    parser.add_argument("--root", required=True)
    parser.add_argument("--classes", default="")
    parser.add_argument("--out", type=Path, default=Path("differentiable"))
    numbers = {"limit": 100, "image-size": 32, "epochs": 10, "minutes": 5, "searches": 3, "seeds": 5}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    own = {name: getattr(given, name) for name in ("data", "root", "classes", "limit", "image_size", "epochs")}
    run = Run(method="baseline", **{**DEFAULTS, **own})
    found: dict[str, list[str]] = {"random": [], "differentiable": []}
    for seed in range(given.searches):
        parts = data.parts(replace(run, seed=seed))
        for name, paths in found.items():
            path = given.out / f"{name}-{seed}.json"
            budget = Budget(seconds=60.0 * given.minutes)
            task = Task(replace(run, seed=seed), same_space(), parts.search_train, parts.search_val,
                        given.out / f"search-{seed}", budget)  # fmt: skip
            if not path.is_file() and name == "random":
                write(path, search(task, Random(), resume=True).policy)
            elif not path.is_file():
                write(path, differentiable(task, 60.0 * given.minutes))
            paths.append(str(path))
            print(name, seed, *Policy.read(path).in_words(), sep="\n  ")
    texts = [path for paths in found.values() for path in paths]
    verdict = judge.judge(contestants.parse(texts), run, given.seeds, given.out / "judged")
    print(table("Policies before the judge", *_rows(verdict)))
    means: Mapping[str, float] = {one.name: one.mean for one in verdict.standings}
    of = [[means[Path(path).stem] for path in found[name]] for name in ("differentiable", "random")]
    pair = over_seeds(of[0], of[1])
    print(f"differentiable against random, over {pair.count} searches: {pair.mean:+.1f}{_interval(pair)}")
    print(verdict.sentence)


def _interval(pair: Difference) -> str:
    return "" if pair.low is None or pair.high is None else f" ({pair.low:+.1f} to {pair.high:+.1f})"


def _rows(verdict: judge.Verdict) -> tuple[list[str], list[list[str]]]:
    against = {one.ours: one for one in verdict.against_none}
    rows = [[one.name, f"{one.mean:.1f}", against[one.name].in_words() if one.name in against else ""]
            for one in verdict.standings]  # fmt: skip
    return ["policy", "top-1 %", "against none"], rows


if __name__ == "__main__":
    main()
