"""Heat maps of all kinds equal the grad-cam package's and leave no trace in the network."""

from __future__ import annotations

import copy
import sys
import threading

import pytest
import torch
from torch import Tensor, nn

from mixviz.cam import formulas, grad_cam
from mixviz.cam.methods import KINDS, heat_maps

timm = pytest.importorskip("timm")
package = pytest.importorskip("pytorch_grad_cam")
BY_PACKAGE = {"grad_cam": "GradCAM", **formulas.CLASSES}
CLASSES = torch.tensor([[0, 5], [6, 2]])


def resnet() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("resnet18", num_classes=7, channels=(8, 12, 16, 40)).eval()


def inputs(n: int = 2) -> Tensor:
    return torch.randn(n, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def by_package(name: str, layer: str, classes: Tensor) -> Tensor:
    """Return the package's own maps, with its hooks in a separate network."""
    network = resnet()
    targets = [package.utils.model_targets.ClassifierOutputTarget(int(c)) for c in classes]
    with getattr(package, BY_PACKAGE[name])(network, [network.get_submodule(layer)]) as explainer:
        return torch.from_numpy(explainer(inputs(), targets))


@pytest.mark.parametrize("layer", ["layer4", "layer3"])
@pytest.mark.parametrize("kind", BY_PACKAGE)
def test_every_kind_is_as_in_the_package(kind, layer):
    from pytorch_grad_cam.utils.image import scale_cam_image

    maps, logits = heat_maps(resnet(), inputs(), CLASSES, kind=kind, layer=layer)
    side = {"layer4": 2, "layer3": 4}[layer]
    assert maps.shape == (2, 2, side, side)
    assert maps.dtype == torch.float32
    assert (maps >= 0).all()
    assert maps.amax() > 0
    torch.testing.assert_close(logits, resnet()(inputs()).detach())
    for k in range(2):
        scaled = torch.from_numpy(scale_cam_image(scale_cam_image(maps[:, k].numpy(), (64, 64))))
        torch.testing.assert_close(scaled, by_package(kind, layer, CLASSES[:, k]), rtol=1e-3, atol=1e-4)


def test_cam_is_the_heads_weights_over_the_features():
    network = resnet()
    features = network.forward_features(inputs()).detach()
    by_hand = torch.einsum("nkc,nchw->nkhw", network.fc.weight.detach()[CLASSES], features)
    maps, logits = heat_maps(network, inputs(), CLASSES, kind="cam")
    torch.testing.assert_close(maps, by_hand)
    scores = maps.mean((2, 3)) + network.fc.bias.detach()[CLASSES]  # the starting point of Zhou et al.
    torch.testing.assert_close(scores, logits.gather(1, CLASSES))
    torch.testing.assert_close(maps.relu() / 4, heat_maps(network, inputs(), CLASSES).maps)


def test_ablation_cam_turns_round_where_the_score_is_negative():
    """As in the paper's formula, a channel that lowers the score gets a positive weight."""
    network = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, bias=False))
    network[3].weight.data[:] = torch.tensor([[1.0, -0.5, 0], [-1, 0.5, 0]])
    images = torch.zeros(1, 3, 2, 2)
    images[0, 0, 0, 0] = images[0, 1, 1, 1] = 4
    maps = heat_maps(network, images, torch.tensor([[0, 1]]), kind="ablation_cam", layer="0").maps[0]
    # Scores are 0.5 and -0.5; without channel 0 they are -0.5 and 0.5, without channel 1 they are 1 and -1.
    assert maps.tolist() == [[[4 * 2, 0], [0, 0]]] * 2


def test_cam_says_where_it_does_not_apply():
    with pytest.raises(ValueError, match=r"averaged output of 'layer3'.*grad_cam"):
        heat_maps(resnet(), inputs(), kind="cam", layer="layer3")
    torch.manual_seed(0)
    network = timm.create_model("mobilenetv3_small_050", num_classes=5).eval()  # two layers after the pooling
    with pytest.raises(ValueError, match="linear layer"):
        heat_maps(network, inputs(), kind="cam")


@pytest.mark.parametrize("kind", KINDS)
def test_whether_the_class_matters_and_whether_it_is_slow(kind):
    network, calls = resnet(), []
    network.conv1.register_forward_hook(lambda *_: calls.append(1))
    one, two = heat_maps(network, inputs(1), torch.tensor([[2, 6]]), kind=kind, layer="layer4").maps[0]
    assert torch.equal(one, two) != KINDS[kind].per_class
    assert (len(calls) > 1) == KINDS[kind].slow
    assert KINDS[kind].name == kind
    assert "20" in KINDS[kind].citation


@pytest.mark.parametrize("kind", KINDS)
def test_without_classes_it_explains_the_prediction(kind):
    network = resnet()
    maps, logits = heat_maps(network, inputs(), kind=kind)
    assert maps.shape == (2, 1, 2, 2)
    torch.testing.assert_close(maps, heat_maps(network, inputs(), logits.argmax(1), kind=kind).maps)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("context", [torch.enable_grad, torch.inference_mode])
def test_the_network_is_left_alone(kind, context):
    network = resnet().train()
    network.bn1.eval()
    network.conv1.weight.requires_grad_(False)
    network.fc.bias.grad = torch.ones(7)
    state = copy.deepcopy(network.state_dict())
    training = [module.training for module in network.modules()]
    modules = list(network.modules())
    with context():
        maps, logits = heat_maps(network, inputs(), CLASSES, kind=kind)
        assert torch.is_grad_enabled() == (context is torch.enable_grad)
    assert not maps.requires_grad
    assert not logits.requires_grad
    assert [module.training for module in network.modules()] == training
    assert list(network.modules()) == modules
    assert not network.conv1.weight.requires_grad
    assert torch.equal(network.fc.bias.grad, torch.ones(7))
    assert all(p.grad is None for p in network.parameters() if p is not network.fc.bias)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())


@pytest.mark.parametrize(("kind", "passes"), [("score_cam", 3), ("ablation_cam", 3)])
def test_slow_kinds_tell_how_far_they_are(kind, passes, capfd):
    steps_seen = []
    heat_maps(resnet(), inputs(), CLASSES, kind=kind, progress=lambda *so_far: steps_seen.append(so_far))
    assert steps_seen == [(i + 1, 2 * passes) for i in range(2 * passes)]  # two classes cost no more than one
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["score_cam", "ablation_cam"])
def test_slow_kinds_are_cancelled_by_what_progress_raises(kind):
    network = resnet()

    def enough(done: int, _all: int) -> None:
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        heat_maps(network, inputs(), kind=kind, progress=enough)
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.is_grad_enabled()


def test_threads_share_a_network():
    network = resnet()
    expected = {kind: heat_maps(network, inputs(), CLASSES, kind=kind).maps for kind in KINDS}
    wrong: list[str] = []

    def ask(kind: str) -> None:
        for _ in range(3):
            try:
                torch.testing.assert_close(heat_maps(network, inputs(), CLASSES, kind=kind).maps, expected[kind])
            except Exception as error:
                wrong.append(f"{kind}: {error}")

    threads = [threading.Thread(target=ask, args=(kind,)) for kind in KINDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.filterwarnings("error", "ignore::ResourceWarning")  # another test's socket may be collected here
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_is_not_finite_has_no_map(kind):
    images = inputs()
    images[1] = torch.nan
    good, bad = heat_maps(resnet(), images, CLASSES, kind=kind).maps
    assert good.isfinite().all()
    assert bad.isnan().all()


@pytest.mark.parametrize("kind", ["grad_cam", "layer_cam", "score_cam"])
def test_half_precision(kind):
    maps = heat_maps(resnet().bfloat16(), inputs(), CLASSES, kind=kind).maps
    torch.testing.assert_close(maps, heat_maps(resnet(), inputs(), CLASSES, kind=kind).maps, rtol=0.2, atol=0.02)


def test_it_says_what_it_needs(monkeypatch):
    with pytest.raises(ValueError, match=r"no 'gradcam'.*'grad_cam'"):
        heat_maps(resnet(), inputs(), kind="gradcam")
    with pytest.raises(ValueError, match=r"\(N, K\) for 2 images; got \(3,\)"):
        heat_maps(resnet(), inputs(), torch.tensor([1, 2, 3]))
    with pytest.raises(ValueError, match=r"no layer 'layer9'"):
        heat_maps(resnet(), inputs(), layer="layer9", kind="layer_cam")
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)
    for kind in formulas.CLASSES:
        with pytest.raises(ImportError, match=r"pip install grad-cam"):
            heat_maps(resnet(), inputs(), kind=kind)
    for kind in ("cam", "grad_cam"):
        assert heat_maps(resnet(), inputs(), kind=kind).maps.shape == (2, 1, 2, 2)


def test_evidence_is_what_grad_cam_is_made_of():
    features, slopes, logits, classes, _ = grad_cam.evidence(resnet(), inputs(), CLASSES, "layer3")
    by_hand = torch.einsum("nkc,nchw->nkhw", slopes.mean((3, 4)), features).relu()
    torch.testing.assert_close(by_hand, grad_cam.grad_cam(resnet(), inputs(), CLASSES, "layer3"))
    assert torch.equal(classes, CLASSES)
    assert logits.shape == (2, 7)
    assert grad_cam.evidence(resnet(), inputs(), slopes=False).slopes is None
