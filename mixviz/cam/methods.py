"""Heat maps by CAM and its relatives: the regions of a picture that speak for a class.

Grad-CAM and CAM are this project's own; the other formulas are the grad-cam package's (Gildenblat and contributors),
applied to features and gradients from :func:`mixviz.cam.grad_cam.evidence`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from mixviz.cam import formulas, grad_cam
from mixviz.cam.grad_cam import Explanation
from mixviz.core.inference import plain
from mixviz.core.registry import lookup

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Kind:
    """A kind of heat map.

    Args:
        name: in :data:`KINDS` and on the command line.
        title: for people.
        text: how it weights the feature maps, in a sentence, and its caveats.
        citation: the paper.
        slow: needs a forward pass for every few channels of the layer, not a single one.
        per_class: the map depends on the class.
    """

    name: str
    title: str
    text: str
    citation: str
    slow: bool = False
    per_class: bool = True


def _by_name(*kinds: Kind) -> Mapping[str, Kind]:
    return MappingProxyType({kind.name: kind for kind in kinds})


KINDS = _by_name(
    Kind(
        "cam", "CAM",
        "The last feature maps, each weighed by its weight in the linear head. Signed, as in the paper: below 0 speaks "
        "against the class. Only for networks that end in global average pooling and one linear layer.",
        "Zhou, Khosla, Lapedriza, Oliva, Torralba, “Learning Deep Features for Discriminative Localization”, CVPR "
        "2016, arXiv:1512.04150",
    ),
    Kind(
        "grad_cam", "Grad-CAM",
        "The feature maps of any layer, each weighed by the mean of the score's gradient over it; below 0 is cut off.",
        "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, “Grad-CAM: Visual Explanations from Deep Networks via "
        "Gradient-based Localization”, ICCV 2017, arXiv:1610.02391",
    ),
    Kind(
        "grad_cam_plus_plus", "Grad-CAM++",
        "Like Grad-CAM, but positive gradients alone count, and more where few pixels carry them, so that several "
        "objects of a class are all found.",
        "Chattopadhay, Sarkar, Howlader, Balasubramanian, “Grad-CAM++: Generalized Gradient-Based Visual Explanations "
        "for Deep Convolutional Networks”, WACV 2018, arXiv:1710.11063",
    ),
    Kind(
        "hires_cam", "HiResCAM",
        "Features times gradients pixel by pixel, without averaging the gradients: it shows only places that the score "
        "used. At a layer before global average pooling it is Grad-CAM, but for a constant factor.",
        "Draelos, Carin, “Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural "
        "networks”, arXiv 2020, arXiv:2011.08891",
    ),
    Kind(
        "layer_cam", "LayerCAM",
        "Like HiResCAM with positive gradients alone; made for early, fine layers.",
        "Jiang, Zhang, Hou, Cheng, Wei, “LayerCAM: Exploring Hierarchical Class Activation Maps for Localization”, "
        "IEEE Transactions on Image Processing 2021, doi:10.1109/TIP.2021.3089943",
    ),
    Kind(
        "xgrad_cam", "XGrad-CAM",
        "Like Grad-CAM, but the gradients are averaged with the feature map itself as the weight.",
        "Fu, Hu, Dong, Guo, Gao, Li, “Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs”, "
        "BMVC 2020, arXiv:2008.02312",
    ),
    Kind(
        "eigen_cam", "Eigen-CAM",
        "The first principal component of the feature maps: what varies most, whatever the class. Its sign means "
        "nothing, so that it may show the background.",
        "Muhammad, Yeasin, “Eigen-CAM: Class Activation Map using Principal Components”, IJCNN 2020, arXiv:2008.00299",
        per_class=False,
    ),
    Kind(
        "score_cam", "Score-CAM",
        "Every feature map dims the picture where it is low; each is weighed by the class's score of that picture. "
        "Dims the normalised picture, towards the data's mean colour.",
        "Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu, “Score-CAM: Score-Weighted Visual Explanations for "
        "Convolutional Neural Networks”, CVPR Workshops 2020, arXiv:1910.01279",
        slow=True,
    ),
    Kind(
        "ablation_cam", "Ablation-CAM",
        "Every feature map is weighed by the share of the score that is lost when it is set to 0. Made for layers that "
        "end in a ReLU. Of a class whose score is below 0 it shows what speaks against it: the share turns its sign.",
        "Desai, Ramaswamy, “Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free "
        "Localization”, WACV 2020",
        slow=True,
    ),
)  # fmt: skip


def heat_maps(
    network: nn.Module,
    inputs: Tensor,
    classes: Tensor | None = None,
    *,
    kind: str = "grad_cam",
    layer: str | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Compute a network's heat maps of one kind, for one or several classes.

    $$M = \\mathrm{ReLU}\\Big(\\sum_k w_k \\odot A_k\\Big)$$

    $A$ is the layer's output; the kinds differ in the weights $w$, which are numbers or maps. The network runs
    in evaluation mode and is left unchanged; several threads may share one network in evaluation mode.

    Args:
        network: from ``inputs`` to class scores (N, C).
        inputs: (N, 3, H, W), normalised as in training.
        classes: (N,) one class per image, or (N, K) several; None: the predicted class.
        kind: a name of :data:`KINDS`.
        layer: dotted name of a module with a spatial grid; None: :func:`mixviz.cam.grad_cam.last_layer`.
        progress: called by slow kinds with (forward passes so far, forward passes in all). An exception that it
            raises reaches the caller: this cancels the work.

    Returns:
        ``maps`` (N, K, h, w) float32 at the layer's own size, not scaled, and not negative, except for ``cam``; NaN
        where features are not finite. ``logits`` (N, C).

    Raises:
        ValueError: no such kind or layer, or a kind that does not work with the network.
        ImportError: the kind needs the grad-cam package, which is not installed.

    Source: that of the kind, :attr:`Kind.citation`; Gildenblat and contributors, "PyTorch library for CAM methods",
    https://github.com/jacobgil/pytorch-grad-cam, which gives the formulas of all kinds but the first two.
    """
    described = lookup(KINDS, kind)
    if classes is not None and (classes.ndim not in (1, 2) or len(classes) != len(inputs)):
        raise ValueError(
            f"classes should be (N,) or (N, K) for {len(inputs)} images; got {tuple(classes.shape)}. One class for all "
            "is torch.full((N,), c)."
        )
    network = plain(network)
    layer = grad_cam.last_layer(network, grad_cam.image_size(inputs)) if layer is None else layer
    if kind == "grad_cam":
        columns = classes[:, None] if classes is not None and classes.ndim == 1 else classes
        maps, logits = grad_cam.explain(network, inputs, columns, layer)
        return Explanation((maps if maps.ndim == 4 else maps[:, None]).float(), logits)
    gradients = kind != "cam" and described.per_class and not described.slow
    evidence = grad_cam.evidence(network, inputs, classes, layer, slopes=gradients)
    if kind == "cam":
        maps = _cam(evidence, network, layer)
    elif described.slow:
        maps = formulas.slow(kind, network, inputs, evidence, layer, progress)
    else:
        maps = formulas.quick(kind, evidence)
    not_finite = ~evidence.features.flatten(1).isfinite().all(1)
    return Explanation(maps.masked_fill(not_finite[:, None, None, None], torch.nan), evidence.logits)


def _cam(evidence: grad_cam.Evidence, network: nn.Module, layer: str) -> Tensor:
    """CAM: the feature maps weighted by the head's weights of the class, signed.

    Modules have different names in different networks, so that average pooling with a linear head is recognised by its
    numbers: the pooled features times the head's weights have to equal the scores.
    """
    features, logits = evidence.features.float(), evidence.logits.float()
    pooled, finite = features.mean((2, 3)), logits.isfinite().all(1)
    scale = logits[finite].abs().amax().item() if finite.any() else 1.0
    tolerance = torch.finfo(evidence.logits.dtype).eps ** 0.5 * scale
    for module in network.modules():
        if not isinstance(module, nn.Linear) or module.weight.shape != (logits.shape[1], features.shape[1]):
            continue
        weight = module.weight.detach().float()
        bias = 0 if module.bias is None else module.bias.detach().float()
        if torch.allclose((pooled @ weight.T + bias)[finite], logits[finite], rtol=0, atol=tolerance):
            return torch.einsum("nkc,nchw->nkhw", weight[evidence.classes], features)
    raise ValueError(
        f"CAM needs a network whose scores are a linear layer of the averaged output of {layer!r}, and this one is "
        'none: name its last feature maps as the layer, or take kind="grad_cam", which needs neither.'
    )
