"""Class activation maps equal the grad-cam package's and leave no trace in the network."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn

from mixviz.cam import grad_cam
from mixviz.cam.localization import heat

timm = pytest.importorskip("timm")


def resnet() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("resnet18", num_classes=7, channels=(16, 24, 32, 48)).eval()


def small(inplace: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace), *head)


def inputs(n: int = 3, side: int = 64) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))


def by_package(network: nn.Module, layer: str, images: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the package's map at the layer's size, after ReLU, and its final map, resized by OpenCV and scaled."""
    package = pytest.importorskip("pytorch_grad_cam")
    targets = [package.utils.model_targets.ClassifierOutputTarget(int(c)) for c in classes]
    with package.GradCAM(network, [network.get_submodule(layer)]) as explainer:
        final = explainer(images, targets)
        package_hooks = explainer.activations_and_grads
        activations, slopes = package_hooks.activations[0].numpy(), package_hooks.gradients[0].numpy()
        raw = explainer.get_cam_image(images, None, targets, activations, slopes)
    return torch.from_numpy(raw).relu(), torch.from_numpy(final)


@pytest.mark.parametrize("layer", ["layer4", "layer3", "layer2.0"])
def test_resnet_is_as_in_the_grad_cam_package(layer):
    network, images, classes = resnet(), inputs(), torch.tensor([0, 6, 2])
    raw, final = by_package(network, layer, images, classes)
    ours = grad_cam.grad_cam(network, images, classes, layer)
    torch.testing.assert_close(ours, raw, rtol=1e-4, atol=1e-6)
    bilinear = nn.functional.interpolate(_scaled(ours)[:, None], (64, 64), mode="bilinear")[:, 0]
    torch.testing.assert_close(_scaled(bilinear), final, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "convnext_atto"])
def test_other_networks_are_as_in_the_grad_cam_package(name):
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=5).eval()
    images, classes, layer = inputs(2), torch.tensor([1, 4]), grad_cam.last_layer(network)
    raw, _ = by_package(network, layer, images, classes)
    torch.testing.assert_close(grad_cam.grad_cam(network, images, classes), raw, rtol=1e-4, atol=1e-7)


def _scaled(maps: Tensor) -> Tensor:
    """The package's own scaling: min-max, with 1e-7 against a division by 0."""
    maps = maps - maps.amin((1, 2), keepdim=True)
    return maps / (1e-7 + maps.amax((1, 2), keepdim=True))


def test_by_hand_it_is_cam():
    network, images = small().eval(), inputs(2, 6)
    features = network[:3](images)
    classes = torch.tensor([4, 1])
    by_hand = torch.einsum("nc,nchw->nhw", network[-1].weight[classes], features).relu() / 36
    torch.testing.assert_close(grad_cam.grad_cam(network, images, classes, "2"), by_hand)


@pytest.mark.parametrize("layer", ["layer4", "layer1"])
def test_several_classes_are_one_after_another(layer):
    network, images, classes = resnet(), inputs(), torch.tensor([[0, 1], [6, 6], [2, 3]])
    maps = grad_cam.grad_cam(network, images, classes, layer)
    for k in range(2):
        torch.testing.assert_close(maps[:, k], grad_cam.grad_cam(network, images, classes[:, k], layer))


def test_without_classes_it_explains_the_prediction():
    network, images = resnet(), inputs()
    maps, logits = grad_cam.explain(network, images)
    torch.testing.assert_close(logits, network(images).detach())
    assert not logits.requires_grad
    assert not maps.requires_grad
    assert torch.equal(maps, grad_cam.grad_cam(network, images, logits.argmax(1), "layer4"))


@pytest.mark.parametrize("fails", [False, True])
def test_the_network_is_left_alone(fails):
    network = small(inplace=True).train()
    network[1].eval()  # a frozen layer stays frozen
    network[0].weight.requires_grad_(False)
    network[0].bias.grad = torch.ones(8)
    if fails:
        network.append(nn.Linear(99, 1))
    state = {name: value.clone() for name, value in network.state_dict().items()}
    images, before = inputs(), inputs()
    if fails:
        with pytest.raises(RuntimeError):
            grad_cam.grad_cam(network, images, layer="1")
    else:
        grad_cam.grad_cam(network, images)
        grad_cam.grad_cam(network, images, layer="1")  # the next module works in place
    assert torch.is_grad_enabled()
    assert [module.training for module in network[:3]] == [True, False, True]
    assert network.training
    assert not network[0].weight.requires_grad
    assert torch.equal(network[0].bias.grad, torch.ones(8))
    assert all(p.grad is None for p in network.parameters() if p is not network[0].bias)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.equal(images, before)


def test_activations_are_those_before_a_change_in_place():
    images, classes = inputs(), torch.tensor([0, 1, 2])
    plain, inplace = (grad_cam.grad_cam(small(i).eval(), images, classes, "1") for i in (False, True))
    assert torch.equal(plain, inplace)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_where_nothing_is_differentiated(context, frozen):
    network, classes = resnet().requires_grad_(not frozen), torch.tensor([1, 2, 3])
    expected = grad_cam.grad_cam(network, inputs(), classes)
    with context():
        ours = grad_cam.grad_cam(network, inputs() + 0, classes + 0)
        assert not torch.is_grad_enabled()
    assert torch.equal(ours, expected)


def test_threads_share_a_network():
    network, images, classes = resnet(), inputs(8), torch.arange(8) % 7
    expected, logits = grad_cam.grad_cam(network, images, classes, "layer3"), network(images).detach()
    wrong: list[str] = []

    def explains(index: int) -> None:
        for _ in range(10):
            ours = grad_cam.grad_cam(network, images[index : index + 1], classes[index : index + 1], "layer3")
            if not torch.allclose(ours[0], expected[index], rtol=1e-3, atol=1e-6):
                wrong.append(f"map {index}")

    def predicts() -> None:
        for _ in range(20):
            with torch.inference_mode():
                answer = network(images)
            if answer.requires_grad or not torch.allclose(answer, logits, rtol=1e-3, atol=1e-5):
                wrong.append("logits")

    threads = [threading.Thread(target=explains, args=(i,)) for i in range(3)] + [threading.Thread(target=predicts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_layers_from_early_to_late():
    network = resnet()
    shapes = {"act1": (64, 32, 32), "layer1": (16, 16, 16), "layer2": (24, 8, 8), "layer3": (32, 4, 4)}
    assert grad_cam.feature_layers(network) == {**shapes, "layer4": (48, 2, 2)}
    assert grad_cam.last_layer(network) == "layer4"
    assert grad_cam.last_layer(network, earlier=1) == "layer3"
    assert grad_cam.last_layer(network, (32, 32)) == "layer3"  # layer4 has a single pixel there
    assert not any(module._forward_hooks for module in network.modules())


def test_it_says_what_it_needs():
    network = resnet()
    with pytest.raises(ValueError, match=r"no layer 'layer9'.*layer4"):
        grad_cam.grad_cam(network, inputs(), layer="layer9")
    with pytest.raises(ValueError, match=r"feature maps \(N, C, h, w\).*\(3, 7\)"):
        grad_cam.grad_cam(network, inputs(), layer="fc")
    with pytest.raises(ValueError, match="layer1 16x16"):
        grad_cam.last_layer(network, earlier=9)
    with pytest.raises(ValueError, match=r"\(N, C\)"):
        grad_cam.grad_cam(network.layer4, torch.rand(1, 32, 8, 8), layer="0")


def test_maps_become_heat():
    maps = grad_cam.grad_cam(resnet(), inputs(), torch.tensor([0, 1, 2]))
    warm = heat(maps, (64, 64))
    assert warm.shape == (3, 64, 64)
    assert warm.amin() == 0
    assert warm.amax() == 1


def test_heat_maps_of_small_pictures_are_taken_where_they_are_fine_enough():
    """ResNet-18 at 64 px has maps of sides 16, 8, 4 and 2: take the deepest of at least 7, else the largest."""
    network = resnet()
    assert grad_cam.heat_layer(network, (64, 64)) == "layer2"
    assert grad_cam.heat_layer(network, (64, 64), smallest=100) == next(iter(grad_cam.feature_layers(network)))


@pytest.mark.parametrize(
    ("name", "side", "layer"),
    [
        ("tf_efficientnet_lite0", 224, "bn2"),  # 7 x 7
        ("tf_efficientnet_lite0", 112, "bn2"),  # 4 x 4
        ("tf_efficientnet_lite0", 64, "blocks.5.0.bn1"),  # 4 x 4, where bn2 has 2 x 2
        ("test_efficientnet", 128, "bn2"),
        ("mobilenetv3_small_100", 224, "blocks"),
        ("resnet18", 224, "layer4"),
        ("resnet18", 128, "layer3"),  # 8 x 8, where layer4 has 4 x 4
        ("resnet18", 64, "layer2"),
    ],
)
def test_heat_maps_are_taken_where_the_features_of_a_class_are_apart(name, side, layer):
    assert grad_cam.heat_layer(timm.create_model(name, num_classes=3), (side, side)) == layer


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "test_efficientnet", "mobilenetv3_small_100", "resnet18"])
def test_layers_end_in_an_activation(name):
    """Bounded below, as ReLU and hard swish are; a linear bottleneck is symmetric."""
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3).eval()
    for layer in grad_cam.feature_layers(network, (128, 128)):
        features = grad_cam.evidence(network, torch.randn(2, 3, 128, 128), layer=layer, slopes=False).features
        assert features.amin() >= -0.375, layer
