"""Mixing inside compiled, scripted or wrapped networks, and reading their layers: correct, or refused."""

from __future__ import annotations

import copy
import dataclasses
import socket
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import mixviz
from mixviz import METHODS, Batch, Recipe, embeddings
from mixviz.cam import grad_cam
from mixviz.cam.methods import heat_maps
from mixviz.core import apply
from mixviz.core.feature_mixing import stages

SIDE = 8
INSIDE = [name for name, method in METHODS.items() if "stages" in method.parameters()]


class Network(nn.Module):
    """Two stages and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1, stride=2), nn.BatchNorm2d(16), nn.ReLU())
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.two(self.one(x)).mean((2, 3)))


def made(kind: type[nn.Module] = Network) -> nn.Module:
    torch.manual_seed(0)
    return kind()


def pictures() -> Tensor:
    return torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def plans(method: str, layers: list[int], images: Tensor | None = None) -> list[Recipe]:
    """Make recipes that mix at the given layers in turn."""
    result, rng = [], np.random.default_rng(0)
    while len(result) < len(layers):
        recipe = METHODS[method](stages=2).plan(Batch(pictures() if images is None else images), rng)
        layer = layers[len(result)]
        result += [dataclasses.replace(recipe, layer=layer)] if bool(recipe.layer) == bool(layer) else []
    return result


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("fullgraph", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize(
    "method", ["manifold_mixup", *(pytest.param(m, marks=pytest.mark.slow) for m in INSIDE if m != "manifold_mixup")]
)
def test_a_compiled_network_mixes_as_a_plain_one(method, fullgraph):
    """Also after compiling without mixing; each stage has one graph for any number of recipes."""
    from torch._dynamo.testing import CompileCounterWithBackend

    plain, inner = made(), made()
    graphs = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(inner, backend=graphs, fullgraph=fullgraph, dynamic=False)
    with torch.no_grad():  # an evaluation
        compiled.eval()(pictures())
        compiled.train()
    before, most = graphs.frame_count, 0.0
    for recipe in plans(method, [0, 1, 0, 2, 1, 2, 2, 1, 0]):
        images, grads = recipe.apply(pictures()), []
        for network in (plain, compiled):
            network.zero_grad()
            with mixviz.mix_inside(network, recipe):
                logits = network(images)
            logits.square().sum().backward()
            grads.append([logits, *(value.grad for value in network.parameters())])
        torch.testing.assert_close(*grads)
        if recipe.layer:
            most = max(most, (logits - copy.deepcopy(plain)(images)).abs().max().item())
    assert most > 0.01
    assert graphs.frame_count - before == 3
    torch.testing.assert_close(inner.state_dict(), plain.state_dict())  # batch norm's statistics


def in_place(network: nn.Module) -> nn.Module:
    network.compile(backend="eager")
    return network


def stage_in_place(network: nn.Module) -> nn.Module:
    network.one.compile(backend="eager")
    return network


def stage_wrapped(network: nn.Module) -> nn.Module:
    network.one = torch.compile(network.one, backend="eager")
    return network


def accelerated(network: nn.Module, compile_it: bool) -> nn.Module:
    accelerate = pytest.importorskip("accelerate")
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    plugin = accelerate.utils.TorchDynamoPlugin(backend="eager") if compile_it else None
    network = accelerate.Accelerator(cpu=True, dynamo_plugin=plugin).prepare(network)
    assert hasattr(network, "_orig_mod") == compile_it
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    return network


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "compiled": lambda network: torch.compile(network, backend="eager"),
    "compiled in place": in_place,
    "a stage compiled in place": stage_in_place,
    "a stage compiled": stage_wrapped,
    "DataParallel": nn.DataParallel,
    "DistributedDataParallel": nn.parallel.DistributedDataParallel,
    "compiled DistributedDataParallel": lambda network: torch.compile(
        nn.parallel.DistributedDataParallel(network), backend="eager"
    ),
    "Accelerate": lambda network: accelerated(network, False),
    "Accelerate, compiled": lambda network: accelerated(network, True),
}


@pytest.fixture
def one_process(request):
    """Start a process group of one process if the wrapper needs one."""
    if "Distributed" not in request.getfixturevalue("wrapper"):
        yield
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.usefixtures("one_process")
def test_a_wrapped_network_mixes_as_a_plain_one(wrapper):
    plain, wrapped = made(), WRAPPERS[wrapper](made())
    wrapped(pictures())
    plain(pictures())
    for recipe in plans("manifold_mixup", [0, 1, 0, 2]):
        with mixviz.mix_inside(plain, recipe), mixviz.mix_inside(wrapped, recipe):
            torch.testing.assert_close(wrapped(recipe.apply(pictures())), plain(recipe.apply(pictures())))


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.usefixtures("one_process")
def test_a_wrapped_network_is_looked_at_as_a_plain_one(wrapper):
    plain, wrapped = made().eval(), WRAPPERS[wrapper](made().eval())
    images, classes = pictures(), torch.tensor([[0, 1], [2, 3], [4, 0], [1, 2]])
    with torch.no_grad():
        wrapped(images)
    torch.testing.assert_close(grad_cam.grad_cam(wrapped, images, classes), grad_cam.grad_cam(plain, images, classes))
    for kind in ("cam", "grad_cam"):
        ours, reference = (heat_maps(network, images, classes, kind=kind).maps for network in (wrapped, plain))
        torch.testing.assert_close(ours, reference)
    torch.testing.assert_close(embeddings.embed(wrapped, images), embeddings.embed(plain, images))
    ours, reference = (mixviz.saliency(images, "gradient", network=network) for network in (wrapped, plain))
    torch.testing.assert_close(ours, reference)


@pytest.mark.parametrize("wrapper", ["compiled", "compiled in place", "DataParallel"])
def test_attention_of_a_wrapped_transformer(wrapper):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, embed_dim=24, num_heads=2)
    plain, images = copy.deepcopy(vit).eval(), torch.rand(2, 3, 32, 32)
    wrapped = WRAPPERS[wrapper](vit.eval())
    with torch.no_grad():
        wrapped(images)
    ours, reference = (mixviz.saliency(images, "attention", network=network) for network in (wrapped, plain))
    torch.testing.assert_close(ours, reference)


@pytest.mark.parametrize("script", [torch.jit.script, lambda network: torch.jit.trace(network, pictures())])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused(script):
    scripted, (recipe,) = script(made().eval()), plans("manifold_mixup", [1])
    looks = {
        "maps": lambda: grad_cam.grad_cam(scripted, pictures()),
        "layers": lambda: grad_cam.feature_layers(scripted),
        "heat maps": lambda: heat_maps(scripted, pictures()),
        "embedding": lambda: embeddings.embed(scripted, pictures()),
        "stages": lambda: stages(scripted),
        "attention": lambda: mixviz.saliency(pictures(), "attention", network=scripted),
    }
    for ask in looks.values():
        with pytest.raises(ValueError, match=r"before torch\.jit"):
            ask()
    with pytest.raises(ValueError, match=r"before torch\.jit"), mixviz.mix_inside(None, recipe, at=[scripted.one]):
        scripted(pictures())
    with mixviz.mix_inside(scripted, plans("manifold_mixup", [0])[0]):  # mixes pixels
        scripted(pictures())
    mixviz.saliency(pictures(), "gradient", network=scripted)  # needs no layer


def skips_its_stages(network: nn.Module) -> Callable:
    """As timm's gradient checkpointing calls the blocks of its stages one by one."""
    return lambda x: network.head(nn.Sequential(*network.one, *network.two)(x).mean((2, 3)))


@pytest.mark.parametrize(
    "forward",
    [lambda _: lambda x: x, copy.deepcopy, lambda network: torch.export.export(network, (pictures(),)).module(),
     torch.fx.symbolic_trace, skips_its_stages, lambda network: torch.jit.script(network)],
    ids=["none", "another copy", "exported", "traced", "parts of its stages", "scripted"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_where_nothing_is_mixed_it_says_so(forward):
    network = made().eval()
    ask, (recipe,) = forward(network), plans("manifold_mixup", [2])
    with (
        pytest.raises(ValueError, match=r"Nothing was mixed.*stage 2 \(Sequential\)"),
        mixviz.mix_inside(network, recipe),
    ):
        ask(pictures())
    with pytest.raises(KeyError), mixviz.mix_inside(network, recipe):  # the body's error takes precedence
        raise KeyError
    with mixviz.mix_inside(network, plans("manifold_mixup", [0])[0]):  # the recipe does not mix inside
        ask(pictures())
    assert type(network.two) is nn.Sequential
    assert "_mixing" not in vars(network.two)


def test_a_stage_mixes_one_recipe_at_a_time():
    network, (one, two) = made(), plans("manifold_mixup", [1, 2])
    with mixviz.mix_inside(network, one), mixviz.mix_inside(network, two):
        network(pictures())
    with (
        pytest.raises(ValueError, match=r"Stage 1 \(Sequential\) mixes already"),
        mixviz.mix_inside(network, one),
        mixviz.mix_inside(network, one),
    ):
        network(pictures())
    assert type(network.one) is nn.Sequential


class Checkpointed(Network):
    reentrant = False

    def forward(self, x: Tensor) -> Tensor:
        for stage in (self.one, self.two):
            x = checkpoint(stage, x, use_reentrant=self.reentrant)
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_activations_are_mixed_again(reentrant):
    """With the backward pass in the context, gradients equal those without checkpoints."""
    plain, saved, grads = made(), made(Checkpointed), []
    saved.reentrant, (recipe,) = reentrant, plans("manifold_mixup", [1])
    for network in (plain, saved):
        with mixviz.mix_inside(network, recipe):
            network(pictures().requires_grad_()).square().sum().backward()
        grads.append([value.grad for value in network.parameters()])
    torch.testing.assert_close(*grads)


# ---------------------------------------------------------------- transformers


@pytest.mark.parametrize("library", ["timm", "torchvision"])
@pytest.mark.parametrize("method", INSIDE)
def test_channels_last_are_mixed_as_maps(method, library):
    """Swin's stages return (N, h, w, C): the result equals mixing (N, C, h, w) and permuting back."""
    torch.manual_seed(0)
    if library == "timm":
        swin = pytest.importorskip("timm").create_model(
            "swin_tiny_patch4_window7_224", img_size=32, window_size=2, embed_dim=8, depths=(1, 1), num_heads=(1, 2),
            num_classes=5,
        )  # fmt: skip
        at = list(swin.layers)
    else:
        swin = pytest.importorskip("torchvision.models").SwinTransformer(
            [4, 4], 8, [1, 1], [1, 2], [2, 2], stochastic_depth_prob=0, num_classes=5
        )
        at = [swin.features[1], swin.features[3]]
    images = torch.rand(4, 3, 32, 32)
    for recipe in plans(method, [1, 2], images):

        def turned(_module, _inputs, output, recipe=recipe):
            assert output.shape == (4, 8 // recipe.layer, 8 // recipe.layer, 8 * recipe.layer)
            return apply.sources(recipe, output.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

        with torch.no_grad(), mixviz.mix_inside(swin.eval(), recipe, at=at):
            mixed = swin(images)
        handle = at[recipe.layer - 1].register_forward_hook(turned)
        with torch.no_grad():
            torch.testing.assert_close(mixed, swin(images))
        handle.remove()


def test_patches_in_tokens_are_refused_and_scalars_are_not():
    vit = pytest.importorskip("timm").create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, embed_dim=24, num_heads=2, num_classes=5
    )
    images = torch.rand(4, 3, 32, 32)
    with mixviz.mix_inside(vit, plans("manifold_mixup", [2], images)[0]):
        vit(images)
    (recipe,) = plans("feature_cutmix", [2], images)
    with pytest.raises(ValueError, match="need feature maps"), mixviz.mix_inside(vit, recipe):
        vit(images)
