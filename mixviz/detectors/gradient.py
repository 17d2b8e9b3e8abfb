"""The gradient detector: the sensitivity of the network's loss to the input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from mixviz.core.batch import Batch
from mixviz.core.inference import evaluating, float_type
from mixviz.core.parameters import Card
from mixviz.core.saliency import Saliency


@dataclass(frozen=True)
class Gradient(Saliency):
    """Gradient of the network's loss with respect to every pixel, in absolute value.

    $$s(y, x) = \\sum_{c} \\left| \\frac{\\partial L}{\\partial x_c(y, x)} \\right| \\Big/ \\max_{y, x} \\qquad
      L = \\mathrm{CE}(f(x), y)$$

    $f$ is the network in evaluation mode, $x$ its normalised input, and $y$ the true label, or what the network
    predicts where the batch has no labels. One forward and one backward pass for the whole batch. Parameters, their
    ``.grad``, batch-norm statistics and training flags are as before afterwards.

    Simonyan et al. differentiate the score of a class instead of the loss and take the largest channel instead of the
    sum. A map without any gradient is 0 everywhere.
    """

    card: ClassVar[Card] = Card(
        "gradient", "Input gradient",
        "Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps",
        "Simonyan, Vedaldi, Zisserman", "ICLR workshop", 2014, "1312.6034",
    )  # fmt: skip

    needs_network: ClassVar[bool] = True

    def maps(self, batch: Batch) -> Tensor:
        gradient = _input_gradient(batch, self.network_of(batch)).float().abs().sum(1).nan_to_num(0, 0, 0)
        return gradient / gradient.amax((1, 2), keepdim=True).clamp_(min=torch.finfo(gradient.dtype).tiny)


def _input_gradient(batch: Batch, network: Callable[[Tensor], Tensor]) -> Tensor:
    """dL/dx (N, 3, H, W); works within ``torch.inference_mode`` too, by leaving it."""
    with torch.inference_mode(False), torch.no_grad():
        inputs = batch.inputs().to(float_type(network)).clone()
        labels = batch.class_labels()
        labels = None if labels is None else labels.clone()
    with torch.inference_mode(False), torch.enable_grad(), evaluating(network):
        logits = network(inputs.requires_grad_()).float()
        if logits.ndim != 2:
            raise ValueError(f"The network should return class scores (N, C); it returned {tuple(logits.shape)}.")
        if labels is None:
            labels = logits.argmax(1)
        loss = functional.cross_entropy(
            logits, labels, reduction="sum"
        )  # a mean would shrink gradients with the batch size
        return torch.autograd.grad(loss, inputs)[0]
