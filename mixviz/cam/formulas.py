"""The grad-cam package's formulas, on features and gradients of our own.

The package leaves hooks in a network, switches it to evaluation mode and clears its gradients. Here it gets a stand-in
without layers: the formulas are the same, and other threads can use the network meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

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
PASS = {"score_cam": 16, "ablation_cam": 32}  # channels per forward pass of the package


def package() -> ModuleType:
    """Import the grad-cam package.

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


def quick(kind: str, evidence: Evidence) -> Tensor:
    """Maps (N, K, h, w) of a kind that needs a single forward pass."""
    explainer = getattr(package(), CLASSES[kind])(_StandIn(), [])
    features = _array(evidence.features)
    if evidence.slopes is None:  # the same for every class
        maps = _raw_map(explainer, features, None)[:, None].expand(-1, evidence.classes.shape[1], -1, -1)
    else:
        gradients = map(_array, evidence.slopes.unbind(1))
        maps = torch.stack([_raw_map(explainer, features, gradient) for gradient in gradients], 1)
    return maps.to(evidence.features.device)


def _raw_map(explainer: Any, features: np.ndarray, gradient: np.ndarray | None) -> Tensor:
    """The package's map (N, h, w) after ReLU, before scaling."""
    with np.errstate(all="ignore"):  # values that are not finite show in the map
        image = explainer.get_cam_image(None, None, None, features, gradient, False)
    return torch.from_numpy(np.maximum(image, 0).astype(np.float32))


def _array(tensor: Tensor) -> np.ndarray:
    """Convert a tensor for the package. Values that are not finite become 0, because its decomposition would not end on
    them; the caller marks their maps."""
    return tensor.detach().float().nan_to_num(0, 0, 0).cpu().numpy()


def slow(
    kind: str, network: nn.Module, inputs: Tensor, evidence: Evidence, layer: str,
    progress: Callable[[int, int], None] | None,
) -> Tensor:  # fmt: skip
    """Maps (N, K, h, w) of a kind that needs a forward pass for every few channels, image by image.

    The forward passes do not depend on the class, so that further classes reuse their logits. Score-CAM holds a picture
    per channel at once, 1.2 GB for the 2,048 channels of a ResNet-50 at 224 px.
    """
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    channels, count = evidence.features.shape[1], len(inputs)
    passes = -(-channels // PASS[kind]) + (kind == "ablation_cam")  # the last pass is for the whole picture
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, passes * count)

    maps = []
    with torch.inference_mode(False), torch.no_grad(), evaluating(network):
        inputs = inputs.clone()
        for image in range(count):
            source: _Unregistered = (
                _WithLayer(network, network.get_submodule(layer), evidence.grid)
                if kind == "ablation_cam"
                else _Unregistered(network)
            )
            model = _CachedLogits(source, float_type(network), evidence.features.device, advance)
            explainer = _explainer(kind, model)
            features = _array(evidence.features[image : image + 1])
            image_maps = []
            for index in evidence.classes[image].tolist():
                model.position = 0
                targets = [ClassifierOutputTarget(index)]
                with np.errstate(all="ignore"):
                    weights = explainer.get_cam_weights(
                        inputs[image : image + 1], getattr(model.network, "layer", None), targets, features, None
                    )
                    image_maps.append(np.maximum((weights[:, :, None, None] * features).sum(1), 0)[0])
            maps.append(torch.from_numpy(np.stack(image_maps).astype(np.float32)))
    return torch.stack(maps).to(evidence.features.device)


def _explainer(kind: str, model: nn.Module) -> Any:
    """Make the package's explainer without its progress bar, which is removed from a copy of the function: other
    users of the package keep it."""
    original = getattr(package(), CLASSES[kind])
    function_globals = {**original.get_cam_weights.__globals__, "tqdm": SimpleNamespace(tqdm=lambda steps: steps)}
    weights = FunctionType(original.get_cam_weights.__code__, function_globals)
    without_bar = type(original.__name__, (original,), {"get_cam_weights": weights})
    if kind == "ablation_cam":  # its default is one layer for the whole process
        return without_bar(model, [], ablation_layer=package().AblationLayer(), batch_size=PASS[kind])
    explainer = without_bar(model, [])
    explainer.batch_size = PASS[kind]
    return explainer


class _StandIn(nn.Module):
    """Stand-in for the network, which the package asks for a device and switches to evaluation mode."""

    def __init__(self, device: torch.device | None = None) -> None:
        super().__init__()
        self.none = nn.Parameter(torch.empty(0, device=device), requires_grad=False)


class _Unregistered(nn.Module):
    """Wrapper that does not register its network as a submodule, so that the package cannot switch its mode."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.networks = (network,)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.networks[0](inputs)


class _CachedLogits(_StandIn):
    """Stand-in that runs the network for the first class and repeats its logits, in order, for the others."""

    def __init__(
        self, network: _Unregistered, dtype: torch.dtype, device: torch.device, advance: Callable[[], None]
    ) -> None:
        super().__init__(device)
        self.network = network
        self.dtype, self.advance, self.position = dtype, advance, 0
        self.logits: list[Tensor] = []

    def forward(self, inputs: Tensor) -> Tensor:
        if self.position == len(self.logits):
            self.logits.append(check_logits(self.network(inputs.to(self.dtype)), len(inputs)).float())
            self.advance()
        self.position += 1
        return self.logits[self.position - 1]


class _WithLayer(_Unregistered):
    """Network whose layer output passes through ``layer`` as feature maps; the package replaces this ``layer`` by its
    own."""

    def __init__(self, network: nn.Module, layer: nn.Module, grid: Grid) -> None:
        super().__init__(network)
        self.layer = nn.Identity()
        self.hooked, self.grid = (layer,), grid

    def forward(self, inputs: Tensor) -> Tensor:
        with self._through_layer():
            return super().forward(inputs)

    @contextmanager
    def _through_layer(self) -> Iterator[None]:
        """Hook the network's layer within this context. Forward passes of other threads are not changed."""
        thread = threading.get_ident()

        def through(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor | None:
            if threading.get_ident() != thread:
                return None
            # A clone, because the next layer may work in place, and the package keeps its tensor.
            return self.grid.unfold(self.layer(self.grid.fold(output)), output).clone()

        handle = self.hooked[0].register_forward_hook(through)
        try:
            yield
        finally:
            handle.remove()
