"""Operations whose strength has a gradient, as the measurement of differentiable search has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import differentiable
from mixviz import Batch
from mixviz.core.policy import Policy
from mixviz.data.dataset import Dataset
from mixviz.networks.run import Run
from mixviz.search.budget import Budget
from mixviz.search.strategy import Task

torch.manual_seed(0)
IMAGES = torch.rand(4, 3, 24, 32)


@pytest.mark.parametrize("one", differentiable.OPERATIONS, ids=lambda one: f"{one.method} {one.strength}")
def test_a_relaxed_operation_is_the_catalogues(one):
    """What was drawn, divided by the strength, gives the same picture; and the strength has a gradient."""
    share = 0.2 if one.method == "affine" else 0.5
    method, batch = one.step(share, 1.0).method, Batch(IMAGES, torch.arange(4))
    recipe = method.plan(batch, np.random.default_rng(0))
    strength = torch.tensor(one.low + share * (one.high - one.low), dtype=torch.float64, requires_grad=True)
    values = np.array([step.values for (step,) in recipe.mixing.sequences[0]])
    drawn = {
        "strength": lambda: (values[:, 0] - 1) / strength.item(),
        "degrees": lambda: values[:, 0] / strength.item(),
        "zoom": lambda: np.log(values[:, 3]) / np.log(strength.item()),
        "shear": lambda: values[:, 4] / strength.item(),
        "shift": lambda: values[:, 1] / strength.item() / 32,
    }[one.strength]()
    if one.strength == "shift":  # the catalogue's goes down, too
        kept = values * [0, 1, 0, 0, 0] + [0, 0, 0, 1, 0]
        expected = differentiable_affine(IMAGES, kept)
    else:
        expected = recipe.apply(IMAGES)
    changed = one.change(IMAGES.double(), strength, torch.from_numpy(drawn))
    mean = torch.tensor(differentiable.MEAN).view(3, 1, 1)
    inside = (changed - mean).abs().sum(1) > 1e-9  # what is outside is filled by the batch's own mean
    assert (changed.float() - expected).abs().amax(1)[inside].quantile(0.9) < 1e-4
    changed.sum().backward()
    assert strength.grad.abs() > 0


def differentiable_affine(images: torch.Tensor, values: np.ndarray) -> torch.Tensor:
    from mixviz.ops import geometric

    mean = torch.tensor(differentiable.MEAN).view(3, 1, 1)
    return geometric.affine(images - mean, values, np.zeros(4)) + mean


def test_the_policy_that_was_learned_is_one_of_the_catalogue():
    learned = differentiable.RelaxedPolicy(torch.Generator().manual_seed(0))
    with torch.no_grad():
        learned.weights[:, :, 3] = 9
        learned.probabilities[:] = 1.0
    policy = learned.policy()
    assert {step.method.card.name for one in policy.stages[0].sequences for step in one.steps} == {"rotation"}
    assert Policy.parse(policy.to_json()).stages == policy.stages
    learned(IMAGES).sum().backward()
    assert all(one.grad.abs().sum() > 0 for one in (learned.probabilities, learned.strengths))


def test_the_search_learns_for_as_long_as_it_may(tmp_path):
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (16, 16, 16, 3), np.uint8))
    split = Dataset(pictures, torch.arange(16) % 2, ("a", "b"), ("a", "b"), side=16)
    run = Run(method="baseline", network="test_resnet", image_size=16, batch_size=4)
    task = Task(run, differentiable.same_space(), split, split, tmp_path, Budget(seconds=1.0))
    policy = differentiable.differentiable(task, 0.5)
    assert len(policy.stages[0].sequences) == differentiable.SEQUENCES
    assert Policy.parse(policy.to_json()).stages == policy.stages
