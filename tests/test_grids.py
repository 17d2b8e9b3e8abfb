"""Spatial layout of layers in many families of networks: by shape, by value, and by moving an object."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mixviz import embeddings
from mixviz.cam import grad_cam
from mixviz.cam.methods import KINDS, heat_maps
from mixviz.core import feature_grids
from mixviz.core.feature_grids import Grid
from mixviz.core.inference import evaluating

timm = pytest.importorskip("timm")
models = pytest.importorskip("torchvision.models")

WIDE = (64, 96)
FOUR = {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)}
VIT = {"depth": 2, "embed_dim": 48, "num_heads": 3}
SWIN = {"window_size": 2, "embed_dim": 12, "depths": (1, 1, 2, 1), "num_heads": (1, 2, 2, 4), "img_size": WIDE}
SQUARE = (64, 64)

# Family -> a function that makes a small network, its input, its last spatial layer, and (C, h, w) there.
FAMILIES: dict[str, tuple[Callable[[], nn.Module], tuple[int, int], str, tuple[int, int, int]]] = {
    "resnet": (lambda: timm_("test_resnet"), WIDE, "layer4", (96, 2, 3)),
    "vit": (lambda: timm_("vit_tiny_patch16_224", img_size=WIDE, **VIT), WIDE, "blocks.1.norm1", (48, 4, 6)),
    "vit without class token": (
        lambda: timm_("vit_tiny_patch16_224", img_size=WIDE, class_token=False, global_pool="avg", **VIT),
        WIDE, "norm", (48, 4, 6),
    ),
    "deit": (
        lambda: timm_("deit_tiny_distilled_patch16_224", img_size=WIDE, **VIT), WIDE, "blocks.1.norm1", (48, 4, 6),
    ),
    "dino with registers": (
        lambda: timm_("vit_small_patch14_reg4_dinov2", img_size=(56, 84), **VIT),
        (56, 84), "blocks.1.norm1", (48, 4, 6),
    ),
    "beit": (lambda: timm_("beit_base_patch16_224", img_size=WIDE, **VIT), WIDE, "norm", (48, 4, 6)),
    "cait": (
        lambda: timm_("cait_xxs24_224", img_size=64, depth=2, embed_dim=48, num_heads=4),
        SQUARE, "blocks_token_only.1.norm1", (48, 4, 4),
    ),
    "xcit": (
        lambda: timm_("xcit_nano_12_p16_224", depth=2, embed_dim=32, num_heads=4),
        WIDE, "cls_attn_blocks.1.norm1", (32, 4, 6),
    ),
    "mixer": (
        lambda: timm.models.MlpMixer(5, img_size=64, num_blocks=2, embed_dim=32), SQUARE, "norm", (32, 4, 4)
    ),
    "swin": (lambda: timm_("swin_tiny_patch4_window7_224", **SWIN), WIDE, "norm", (96, 2, 3)),
    "swin v2": (lambda: timm_("swinv2_tiny_window8_256", **SWIN), WIDE, "norm", (96, 2, 3)),
    "convnext": (lambda: timm_("convnext_atto", **FOUR), WIDE, "norm_pre", (32, 2, 3)),
    "mambaout": (lambda: timm_("mambaout_femto", **FOUR), WIDE, "stages", (32, 2, 3)),
    "poolformer": (lambda: timm.models.MetaFormer(num_classes=5, **FOUR), WIDE, "stages", (32, 2, 3)),
    "pvt v2": (
        lambda: timm_("pvt_v2_b0", depths=(1, 1, 1, 1), embed_dims=(8, 16, 24, 32), num_heads=(1, 1, 2, 2)),
        WIDE, "stages", (32, 2, 3),
    ),
    "twins": (
        lambda: timm_("twins_svt_small", img_size=64, depths=(1, 1, 1, 1), embed_dims=(8, 16, 24, 32),
                      num_heads=(1, 1, 1, 1), wss=(2, 2, 2, 2)),
        SQUARE, "norm", (32, 2, 2),
    ),
    "coatnet": (
        lambda: timm_("coatnet_nano_rw_224", img_size=WIDE, embed_dim=(32,) * 4, depths=(1, 1, 1, 1), stem_width=8),
        WIDE, "norm", (32, 2, 3),
    ),
    "hiera": (lambda: timm_("hiera_tiny_224", img_size=SQUARE, stages=(1, 1, 1, 1), embed_dim=16), SQUARE, "blocks.3",
              (128, 2, 2)),
    "torchvision vit": (
        lambda: models.VisionTransformer(64, 16, 2, 3, 48, 96, num_classes=5),
        SQUARE, "encoder.layers.encoder_layer_1.ln_1", (48, 4, 4),
    ),
    "torchvision swin": (
        lambda: models.SwinTransformer([4, 4], 12, [1, 1, 2, 1], [1, 2, 2, 4], [2, 2], num_classes=5),
        WIDE, "permute", (96, 2, 3),
    ),
    "torchvision convnext": (
        lambda: models.ConvNeXt([
            models.convnext.CNBlockConfig(*widths, 1) for widths in ((8, 16), (16, 24), (24, 32), (32, None))
        ], num_classes=5),
        WIDE, "features", (32, 2, 3),
    ),
    "torchvision maxvit": (
        lambda: models.MaxVit((128, 128), 8, 4, [8, 16, 24, 32], [1, 1, 1, 1], 4, 0.0, num_classes=5),
        (128, 128), "blocks.3", (32, 4, 4),
    ),
}  # fmt: skip
LARGER = {
    "mobilevit": (lambda: timm_("mobilevit_xxs"), WIDE, "final_conv", (320, 2, 3)),
    "maxvit": (lambda: timm_("maxvit_nano_rw_256", img_size=SQUARE), SQUARE, "norm", (512, 2, 2)),
    "mvit v2": (lambda: timm_("mvitv2_tiny"), (224, 224), "norm", (768, 7, 7)),
    "efficientformer": (lambda: timm_("efficientformer_l1"), (224, 224), "norm", (448, 7, 7)),
}


def timm_(name: str, **options) -> nn.Module:
    return timm.create_model(name, num_classes=5, **options)


def made(family: str) -> tuple[nn.Module, tuple[int, int], str, tuple[int, int, int]]:
    make, *others = (FAMILIES | LARGER)[family]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = make().eval()
    head = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    nn.init.normal_(head.weight)  # some heads start at 0, and then all gradients are 0
    return network, *others


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in LARGER]


def folded(network: nn.Module, layer: str, images: Tensor) -> Tensor:
    return grad_cam.evidence(network, images, layer=layer, slopes=False).features


@pytest.mark.parametrize("family", [*FAMILIES, *SLOW])
def test_the_last_places(family):
    network, size, layer, shape = made(family)
    result = grad_cam.feature_layers(network, size)
    assert grad_cam.last_layer(network, size) == layer
    assert result[layer] == shape
    sides = [side for _, *side in result.values()]
    assert sides == sorted(sides, reverse=True)
    assert all(abs(h * size[1] - w * size[0]) < max(size) for h, w in sides)
    assert not any(module._forward_hooks for module in network.modules())
    images, classes = torch.randn(2, 3, *size), torch.tensor([[0, 1], [2, 3]])
    slopes = grad_cam.evidence(network, images, classes, layer).slopes
    assert slopes.shape == (2, 2, *shape)
    assert slopes.flatten(2).any(2).all()
    assert grad_cam.grad_cam(network, images, classes, layer).shape == (2, 2, *shape[1:])


# The random weights of two networks spread changes everywhere; their outputs are maps by construction.
@pytest.mark.parametrize(
    "family",
    [
        *(name for name in FAMILIES if name != "torchvision maxvit"),
        *(one for one in SLOW if one.values != ("mobilevit",)),
    ],
)
def test_what_changes_follows_the_object(family):
    """For a square in each corner, the features change most in that corner."""
    network, size, layer, (channels, *_) = made(family)
    height, width = size[0] // 2, size[1] // 2
    images = torch.randn(4, 1, 3, *size).repeat(1, 5, 1, 1, 1)
    for place, (top, left) in enumerate([(0, 0), (0, width), (height, 0), (height, width)], 1):
        here = slice(top + height // 4, top + height * 3 // 4), slice(left + width // 4, left + width * 3 // 4)
        images[:, place, :, *here] = 2 * torch.randn(4, 3, 1, 1)
    maps = folded(network, layer, images.flatten(0, 1)).unflatten(0, (4, 5))
    assert maps.shape[2] == channels
    change = (maps[:, 1:] - maps[:, :1]).square().mean(2)
    share = (change / change.sum((2, 3), keepdim=True)).mean(0)  # (4, h, w), of four objects
    share = share / share.sum(0)  # some places react to everything more than others
    rows, columns = (torch.linspace(-1, 1, n) for n in share.shape[1:])
    down, across = ((share * place).sum((1, 2)).view(2, 2) for place in (rows[:, None], columns))
    assert (down[0] < down[1]).all()
    assert (across[:, 0] < across[:, 1]).all()


@pytest.mark.parametrize(
    "family", ["vit", "vit without class token", "deit", "dino with registers", "beit", "swin", "swin v2", "mambaout",
               "mixer", "twins"],
)  # fmt: skip
def test_folded_as_timm_folds(family):
    """timm gives its networks' features as (N, C, h, w), too."""
    network, size, *_ = made(family)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        reference = network.forward_intermediates(
            images, indices=1, norm=False, output_fmt="NCHW", intermediates_only=True
        )
    blocks = {"swin": "layers.3", "swin v2": "layers.3", "mambaout": "stages.3", "twins": "pos_block.3"}
    torch.testing.assert_close(folded(network, blocks.get(family, "blocks.1"), images), reference[-1])


@pytest.mark.parametrize("family", ["vit", "dino with registers", "swin", "torchvision swin"])
def test_grad_cam_by_hand(family):
    """The weights are the gradients of the score, averaged over the places."""
    network, size, layer, _ = made(family)
    images, classes, seen = torch.randn(2, 3, *size), torch.tensor([1, 4]), []

    def keep(_module, _inputs, output):
        output.retain_grad()
        seen.append(output)

    handle = network.get_submodule(layer).register_forward_hook(keep)
    network(images).gather(1, classes[:, None]).sum().backward()
    handle.remove()
    features, slopes = seen[0].detach(), seen[0].grad
    if family in ("vit", "dino with registers"):
        prefix = network.num_prefix_tokens
        features, slopes = (value[:, prefix:].unflatten(1, (4, 6)) for value in (features, slopes))
    if family == "torchvision swin":  # after its permute
        features, slopes = (value.permute(0, 2, 3, 1) for value in (features, slopes))
    expected = torch.einsum("nc,nhwc->nhw", slopes.mean((1, 2)), features).relu()
    torch.testing.assert_close(grad_cam.grad_cam(network, images, classes), expected)


@pytest.mark.parametrize("family", ["vit", "swin"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "cam"])
def test_every_kind_of_map(family, kind):
    pytest.importorskip("pytorch_grad_cam")
    network, size, _, (_, *grid) = made(family)
    maps, logits = heat_maps(network, torch.randn(2, 3, *size), torch.tensor([[0, 1], [2, 3]]), kind=kind)
    assert maps.shape == (2, 2, *grid)
    assert maps.isfinite().all()
    assert logits.shape == (2, 5)


def test_cam_of_swin_is_signed_and_its_mean_the_score():
    network, size, *_ = made("swin")
    maps, logits = heat_maps(network, torch.randn(2, 3, *size), torch.tensor([[0, 1], [2, 3]]), kind="cam")
    classes = torch.tensor([[0, 1], [2, 3]])
    scores = maps.mean((2, 3)) + network.head.fc.bias.detach()[classes]
    torch.testing.assert_close(scores, logits.gather(1, classes), atol=1e-4, rtol=1e-4)


def test_ablating_a_channel_of_tokens_leaves_the_class_token():
    """Computed by hand: each channel is removed at all places but not in the class token."""
    pytest.importorskip("pytorch_grad_cam")
    network, size, layer, _ = made("vit")
    network.blocks[1].norm1 = nn.Sequential(network.blocks[1].norm1, nn.ReLU())  # the package ablates to the least
    images = torch.randn(1, 3, *size)
    maps, logits = heat_maps(network, images, torch.tensor([[3]]), kind="ablation_cam", layer=layer)
    features, scores = folded(network, layer, images)[0], []
    for channel in range(len(features)):

        def without(_module, _inputs, output, channel=channel):
            output = output.clone()
            output[:, 1:, channel] = 0
            return output

        handle = network.get_submodule(layer).register_forward_hook(without)
        with torch.no_grad():
            scores.append(network(images)[0, 3])
        handle.remove()
    weight = (logits[0, 3] - torch.stack(scores)) / logits[0, 3]
    torch.testing.assert_close(maps[0, 0], torch.einsum("c,chw->hw", weight, features).relu(), atol=1e-4, rtol=1e-3)


class Shuffled(nn.Module):
    """The tokens of a convolution in random order."""

    def __init__(self, order: Tensor | None) -> None:
        super().__init__()
        self.cut, self.order = nn.Conv2d(3, 16, 8, 8), order
        self.body, self.head = nn.Sequential(nn.Linear(16, 16), nn.GELU()), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cut(x).flatten(2).mT
        return self.head(self.body(x if self.order is None else x[:, self.order]).mean(1))


def test_tokens_in_another_order_are_refused():
    torch.manual_seed(0)
    images, straight = torch.randn(2, 3, 32, 32), Shuffled(None)
    assert grad_cam.grad_cam(straight, images, layer="body").shape == (2, 4, 4)
    assert list(grad_cam.feature_layers(straight, (32, 32))) == ["body"]
    shuffled = Shuffled(torch.randperm(16))
    with pytest.raises(ValueError, match=r"'body'.*\(2, 16, 16\).*do not follow the places"):
        grad_cam.grad_cam(shuffled, images, layer="body")
    assert list(grad_cam.feature_layers(shuffled, (32, 32))) == ["cut"]
    hiera, *_ = made("hiera")  # sorted by the units that its blocks merge
    with pytest.raises(ValueError, match="do not follow the places"):
        grad_cam.grad_cam(hiera, torch.randn(1, 3, *SQUARE), layer="blocks.0")


@pytest.mark.parametrize("layout", ["maps", "last"])
def test_as_many_channels_as_places(layout):
    """The shape (N, 8, 8, 8) is ambiguous."""

    class Square(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cut, self.out, self.head = nn.Conv2d(3, 8, 4, 4), nn.Identity(), nn.Linear(8, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.cut(x)
            x = self.out(x.permute(0, 2, 3, 1) if layout == "last" else x)
            return self.head(x.mean((1, 2) if layout == "last" else (2, 3)))

    torch.manual_seed(0)
    network, images = Square(), torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(folded(network, "out", images), network.cut(images).detach())


def test_a_network_without_places_says_so():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 8), nn.ReLU(), nn.Linear(8, 5))
    assert grad_cam.feature_layers(network, (4, 4)) == {}
    with pytest.raises(ValueError, match=r"no feature map.*none.*\(N, h, w, C\)"):
        grad_cam.grad_cam(network, torch.rand(2, 3, 4, 4))
    vit, size, *_ = made("vit")
    images = torch.randn(2, 3, *size)
    assert grad_cam.grad_cam(vit, images, layer="blocks.1.attn.qkv").shape == (
        2,
        4,
        6,
    )  # of each token, queries and all
    for layer in ("head", "fc_norm", "blocks.1.attn.q_norm"):
        with pytest.raises(ValueError, match="do not follow the places"):
            grad_cam.grad_cam(vit, images, layer=layer)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((1, 7, 7, 768), (224, 224), [Grid("last", (7, 7))]),
        ((1, 768, 7, 7), (224, 224), [Grid("maps", (7, 7))]),
        ((1, 8, 8, 8), (64, 64), [Grid("maps", (8, 8)), Grid("last", (8, 8))]),
        ((1, 197, 192), (224, 224), [Grid("tokens", (14, 14), 1)]),
        ((1, 196, 192), (224, 224), [Grid("tokens", (14, 14))]),
        ((1, 25, 48), (64, 96), [Grid("tokens", (4, 6), 1)]),
        ((1, 25, 48), (96, 64), [Grid("tokens", (6, 4), 1)]),
        ((1, 198, 192), (224, 224), []),
        ((1, 512, 1, 1), (64, 64), []),
        ((1, 1000), (64, 64), []),
    ],
)
def test_grids_by_shape(shape, size, expected):
    assert feature_grids.by_shape(shape, size, (1, 0)) == expected


@pytest.mark.parametrize("grid", [Grid("maps", (2, 3)), Grid("last", (2, 3)), Grid("tokens", (2, 3), 2)])
def test_unfolding_undoes_folding(grid):
    shapes = {"maps": (4, 5, 2, 3), "last": (4, 2, 3, 5), "tokens": (4, 8, 5)}
    output = torch.randn(shapes[grid.layout])
    maps = grid.fold(output)
    assert maps.shape == (4, 5, 2, 3)
    assert torch.equal(grid.unfold(maps, output), output)
    changed = grid.unfold(maps + 1, output)
    assert torch.equal(changed[:, : grid.prefix], output[:, : grid.prefix]) or grid.layout != "tokens"
    assert torch.equal(grid.fold(changed), maps + 1)


def test_places_are_found_once():
    network, size, layer, _ = made("vit")
    requests = []
    network.patch_embed.register_forward_hook(lambda _module, given, _output: requests.append(len(given[0])))
    for _ in range(3):
        grad_cam.grad_cam(network, torch.randn(2, 3, *size), layer=layer)
    assert requests == [2, 5, 2, 2]


def test_embeddings_of_tokens():
    for family in ("vit", "swin", "torchvision vit", "torchvision swin", "mixer"):
        network, size, *_ = made(family)
        images = torch.randn(3, 3, *size)
        result = embeddings.embed(network, images)
        heads = [module for module in network.modules() if isinstance(module, nn.Linear)]
        with torch.no_grad(), evaluating(network):
            torch.testing.assert_close(heads[-1](result), network(images))
