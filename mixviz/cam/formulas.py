"""The grad-cam package's formulas on features and gradients of our own, so that it never hooks into a network.

The package keeps hooks in the network, switches it to evaluation and clears its gradients. Here it gets a stand-in
without layers: its formulas are the same, and the network belongs to everybody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType, SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn

from mixviz.cam.grad_cam import Evidence
from mixviz.core.feature_grids import Grid
from mixviz.core.inference import check_logits, evaluating, float_type

CLASSES = {
    "grad_cam_plus_plus": "GradCAMPlusPlus",
    "hires_cam": "HiResCAM",
    "layer_cam": "LayerCAM",
    "xgrad_cam": "XGradCAM",
    "eigen_cam": "EigenCAM",
    "score_cam": "ScoreCAM",
    "ablation_cam": "AblationCAM",
}
PASS = {"score_cam": 16, "ablation_cam": 32}  # channels that the package asks the network about at a time


def package() -> ModuleType:
    """The grad-cam package.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import pytorch_grad_cam
    except ImportError as error:
        raise ImportError(
            f"This kind of heat map needs the grad-cam package ({error}): pip install grad-cam. grad_cam and cam work "
            "without it."
        ) from None
    return pytorch_grad_cam


def quick(kind: str, found: Evidence) -> Tensor:
    """Maps (N, K, h, w) that one forward pass is enough for."""
    explainer = getattr(package(), CLASSES[kind])(_StandIn(), [])
    features = _array(found.features)
    if found.slopes is None:  # the same for every class
        maps = _image(explainer, features, None)[:, None].expand(-1, found.classes.shape[1], -1, -1)
    else:
        maps = torch.stack([_image(explainer, features, _array(slope)) for slope in found.slopes.unbind(1)], 1)
    return maps.to(found.features.device)


def _image(explainer: object, features: np.ndarray, slope: np.ndarray | None) -> Tensor:
    """The package's map (N, h, w) before it is scaled, and its ReLU."""
    with np.errstate(all="ignore"):  # what is not finite is told by the map
        image = explainer.get_cam_image(None, None, None, features, slope, False)
    return torch.from_numpy(np.maximum(image, 0).astype(np.float32))


def _array(tensor: Tensor) -> np.ndarray:
    """For the package; what is not finite would keep its decomposition from ending, and is marked by the caller."""
    return tensor.detach().float().nan_to_num(0, 0, 0).cpu().numpy()


def slow(
    kind: str, network: nn.Module, inputs: Tensor, found: Evidence, layer: str, progress: Callable | None
) -> Tensor:
    """Maps (N, K, h, w) that take a forward pass for every few channels, image by image.

    What the network is asked does not depend on the class: further classes hear the same answers again. Score-CAM
    holds a picture per channel at once, 1.2 GB for the 2,048 channels of a ResNet-50 at 224 px.
    """
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    channels, count = found.features.shape[1], len(inputs)
    passes = -(-channels // PASS[kind]) + (kind == "ablation_cam")  # the last asks about the whole picture
    done = 0

    def told() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, passes * count)

    maps = []
    with torch.inference_mode(False), torch.no_grad(), evaluating(network):
        inputs = inputs.clone()
        for image in range(count):
            asked = _Replaced(network, network.get_submodule(layer), found.grid) if kind == "ablation_cam" else network
            model = _Asked(asked, float_type(network), found.features.device, told)
            explainer = _explainer(kind, model)
            features = _array(found.features[image : image + 1])
            one = []
            for index in found.classes[image].tolist():
                model.turn = 0
                targets = [ClassifierOutputTarget(index)]
                with np.errstate(all="ignore"):
                    weights = explainer.get_cam_weights(
                        inputs[image : image + 1], getattr(model.network, "layer", None), targets, features, None
                    )
                    one.append(np.maximum((weights[:, :, None, None] * features).sum(1), 0)[0])
            maps.append(torch.from_numpy(np.stack(one).astype(np.float32)))
    return torch.stack(maps).to(found.features.device)


def _explainer(kind: str, model: nn.Module) -> object:
    """The package's class, with its progress bar taken out: on a copy of the function, because others may want it."""
    known = getattr(package(), CLASSES[kind])
    silent = {**known.get_cam_weights.__globals__, "tqdm": SimpleNamespace(tqdm=lambda steps: steps)}
    weights = FunctionType(known.get_cam_weights.__code__, silent)
    quiet = type(known.__name__, (known,), {"get_cam_weights": weights})
    if kind == "ablation_cam":  # its default is one layer for the whole process
        return quiet(model, [], ablation_layer=package().AblationLayer(), batch_size=PASS[kind])
    explainer = quiet(model, [])
    explainer.batch_size = PASS[kind]
    return explainer


class _StandIn(nn.Module):
    """A stand-in for the network: the package asks it for a device and switches it to evaluation."""

    def __init__(self, device: torch.device | None = None) -> None:
        super().__init__()
        self.none = nn.Parameter(torch.empty(0, device=device), requires_grad=False)


class _Asked(_StandIn):
    """The network behind the stand-in, with a memory: the answer at each turn is the same for all classes."""

    def __init__(self, network: nn.Module, dtype: torch.dtype, device: torch.device, told: Callable[[], None]) -> None:
        super().__init__(device)
        self.network = network if isinstance(network, _Replaced) else _Hidden(network)
        self.dtype, self.told, self.turn = dtype, told, 0
        self.answers: list[Tensor] = []

    def forward(self, inputs: Tensor) -> Tensor:
        if self.turn == len(self.answers):
            self.answers.append(check_logits(self.network(inputs.to(self.dtype)), len(inputs)).float())
            self.told()
        self.turn += 1
        return self.answers[self.turn - 1]


class _Hidden(nn.Module):
    """A network that is no part of what the package switches to evaluation."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.ask = (network,)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.ask[0](inputs)


class _Replaced(_Hidden):
    """A network whose layer's output goes through ``layer`` as feature maps, which the package hooks and replaces by
    its own."""

    def __init__(self, network: nn.Module, layer: nn.Module, grid: Grid) -> None:
        super().__init__(network)
        self.layer = nn.Identity()
        self.real, self.grid = (layer,), grid

    def forward(self, inputs: Tensor) -> Tensor:
        with self._through():
            return super().forward(inputs)

    @contextmanager
    def _through(self) -> Iterator[None]:
        """Within this context. Another thread's forward pass goes by untouched."""
        asking = threading.get_ident()

        def replaced(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor | None:
            # What follows may work in place, and the package keeps what it was given.
            if threading.get_ident() != asking:
                return None
            return self.grid.unfold(self.layer(self.grid.fold(output)), output).clone()

        handle = self.real[0].register_forward_hook(replaced)
        try:
            yield
        finally:
            handle.remove()
