"""Geometric operations: resample each image of a batch along its own grid, all in one call.

torchvision's functions take one angle, one crop or one field for all images of a call, so a batch of 128 angles would
need 128 calls. Here each image has its own matrix and the batch is sampled at once. The tests compare every operation
with torchvision's, image by image.

All operations take images (M, C, H, W), ``values`` (M, p) on the host and ``seeds`` (M,), and return images. Pixels
sampled from outside the image are 0. With ``mass`` the images are densities such as saliency, whose integral should be
preserved: values are divided by the local magnification.
"""

from __future__ import annotations

import math
from functools import lru_cache
from importlib import import_module

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mixviz.core import geometry, jit
from mixviz.core.tensors import on_device
from mixviz.ops import filters, noise

SMALL = 8  # pixels; within larger windows, sorting is faster than counting ranks
KEPT = 2**23  # pixels of the largest displacement field that is kept: 64 MB


def flip_across(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Flip horizontally: swap left and right."""
    from torchvision.transforms.v2 import functional

    return functional.horizontal_flip(images)


def flip_down(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Flip vertically: swap top and bottom."""
    from torchvision.transforms.v2 import functional

    return functional.vertical_flip(images)


def rotate(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Rotate counter-clockwise around the centre by an angle in degrees."""
    return _by_matrix(images, rotation_matrix(values, _size(images)), mass)


def shear_x(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Shear horizontally: shift each row by the value times its distance from the top, to the left if positive."""
    return _by_matrix(images, shear_x_matrix(values, _size(images)), mass)


def shear_y(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Shear vertically: shift each column up by the value times its distance from the left edge."""
    return _by_matrix(images, shear_y_matrix(values, _size(images)), mass)


def translate_x(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Translate to the right, in pixels."""
    return _by_matrix(images, translation_x_matrix(values, _size(images)), mass)


def translate_y(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Translate down, in pixels."""
    return _by_matrix(images, translation_y_matrix(values, _size(images)), mass)


def affine(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Affine map; values are the clockwise angle, the pixels to the right and down, the scale, and the shear angle."""
    return _by_matrix(images, affine_matrix(values, _size(images)), mass)


def crop(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Crop the box (top, left, height, width) in pixels and resize it to the whole image.

    Sampling is clamped to the box, so no pixel beyond its edge shows.
    """
    top, left, height, width = values.T
    edges = np.stack([left + 0.5, top + 0.5, left + width - 0.5, top + height - 0.5], 1)  # centres of edge pixels
    return _by_matrix(images, crop_matrix(values, _size(images)), mass, edges)


def perspective(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Perspective view: move the corners inwards by shares of the image's sides.

    Values 1 to 8 are the shares (down, across) of each corner, clockwise from the top left. Value 0 is the largest of
    them, for display only.
    """
    return _by_matrix(images, perspective_matrix(values, _size(images)), mass)


def elastic(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Elastic deformation by a smooth random displacement field.

    The first value is the typical displacement, the second the σ of the Gaussian that smooths the field, both in
    pixels.
    """
    grid = _lattice(images) + elastic_field(images.shape, values, seeds, images.device)
    return _sample(images, grid, _input_area(grid) if mass else None)


def elastic_field(shape: tuple[int, ...], values: np.ndarray, seeds: np.ndarray, device: torch.device) -> Tensor:
    """(M, H, W, 2) displacement of each pixel's sampling position, across and down, in half sides of the image.

    On the CPU the last large field is kept: objects follow by that of their pictures. Do not write to it.
    """
    size, count = (shape[2], shape[3]), len(values) * math.prod(shape[2:])
    if count <= KEPT and jit.creates(count, device):
        return _kept_field(size, tuple(map(tuple, values.tolist())), tuple(seeds.tolist()))
    return _elastic_field(size, values, seeds, device)


@lru_cache(maxsize=1)
def _kept_field(size: tuple[int, int], values: tuple[tuple[float, ...], ...], seeds: tuple[int, ...]) -> Tensor:
    return _elastic_field(size, np.array(values), np.array(seeds), torch.device("cpu"))


def _elastic_field(size: tuple[int, int], values: np.ndarray, seeds: np.ndarray, device: torch.device) -> Tensor:
    kernel = filters.gaussian(values[:, 1])
    field = filters.both_ways(noise.uniform(seeds, (2, *size), device) * 2 - 1, kernel)
    # Uniform numbers from -1 to 1 have standard deviation 1/√3; smoothing scales it by the kernel's L2 norm.
    spread = (kernel**2).sum(1) / math.sqrt(3)
    scale = 2 * values[:, :1] / spread[:, None] / size[::-1]
    return (field * on_device(scale.astype(np.float32), device)[:, :, None, None]).permute(0, 2, 3, 1)


def shuffle(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Shuffle pixels within square windows of the given side; windows at the right and bottom edge may be smaller."""
    height, width = images.shape[2:]
    plain = images.dtype in (torch.float32, torch.float64) and images.is_contiguous() and not images.requires_grad
    if plain and values.max() <= SMALL and jit.usable_on(images):
        shuffled, start = torch.empty_like(images), noise.starts(seeds, images.device).numpy().astype(np.uint32)
        loops = import_module("mixviz.ops._pixels_numba")
        loops.shuffle(images.numpy(), values[:, 0].astype(np.int64), start, shuffled.numpy())
        return shuffled
    side = on_device(values.astype(np.int64), images.device)[:, :, None]
    rows, columns = (torch.arange(n, device=images.device) for n in (height, width))
    window = (rows[:, None] // side * width + columns // side).flatten(1)
    # Two orders of the pixels: by window alone, and by window then random key. Matching them rank by rank gives a
    # random permutation within each window.
    target = window.argsort(dim=1, stable=True)
    drawn = ((window << 32) + noise.whole(seeds, (height * width,), images.device)).argsort(dim=1)
    source = torch.empty_like(target).scatter_(1, target, drawn)
    return images.flatten(2).gather(2, source[:, None].expand(-1, images.shape[1], -1)).view_as(images)


def cut_out(images: Tensor, values: np.ndarray, seeds: np.ndarray, mass: bool = False) -> Tensor:
    """Erase the box (top, left, bottom, right), in pixels."""
    box = on_device(values.astype(np.int64), images.device)
    return images * ~geometry.box_mask(box, (images.shape[2], images.shape[3]))[:, None]


# ---------------------------------------------------------------- matrices, from output pixels to input pixels


# Matrices (M, 3, 3) from output to input pixels (x, y, 1), where the centre of the first pixel is (0.5, 0.5), for the
# operations that are projections. All take the drawn values (M, p) and the size (H, W).


def across_matrix(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Matrices of :func:`flip_across`."""
    matrices = _identity(values)
    matrices[:, 0, 0], matrices[:, 0, 2] = -1, size[1]
    return matrices


def down_matrix(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Matrices of :func:`flip_down`."""
    matrices = _identity(values)
    matrices[:, 1, 1], matrices[:, 1, 2] = -1, size[0]
    return matrices


def rotation_matrix(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Matrices of :func:`rotate`."""
    return _inverse(values, size, angle=-values[:, 0])


def shear_x_matrix(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Matrices of :func:`shear_x`."""
    matrices = _identity(values)
    matrices[:, 0, 1] = values[:, 0]
    return matrices


def shear_y_matrix(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Matrices of :func:`shear_y`."""
    matrices = _identity(values)
    matrices[:, 1, 0] = values[:, 0]
    return matrices


def translation_x_matrix(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Matrices of :func:`translate_x`."""
    return _inverse(values, size, across=values[:, 0])


def translation_y_matrix(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Matrices of :func:`translate_y`."""
    return _inverse(values, size, down=values[:, 0])


def affine_matrix(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Matrices of :func:`affine`."""
    angle, across, down, scale, shear = values.T
    return _inverse(values, size, angle, across, down, scale, shear)


def crop_matrix(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Matrices of :func:`crop`."""
    top, left, height, width = values.T
    matrices = _identity(values)
    matrices[:, 0, 0], matrices[:, 1, 1] = width / size[1], height / size[0]
    matrices[:, 0, 2], matrices[:, 1, 2] = left, top
    return matrices


def perspective_matrix(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Matrices of :func:`perspective`."""
    height, width = size
    start = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    moved = values[:, 1:].reshape(-1, 4, 2)[:, :, ::-1] * (width, height) * inwards
    return _homography(start + moved, start)


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[2], images.shape[3]


def _identity(values: np.ndarray) -> np.ndarray:
    return np.tile(np.eye(3), (len(values), 1, 1))


def _inverse(
    values: np.ndarray,
    size: tuple[int, int],
    angle: np.ndarray | float = 0.0,
    across: np.ndarray | float = 0.0,
    down: np.ndarray | float = 0.0,
    scale: np.ndarray | float = 1.0,
    shear: np.ndarray | float = 0.0,
) -> np.ndarray:
    """(M, 3, 3) matrices from output to input pixels, for an image that is sheared, scaled, rotated clockwise around
    its centre and translated."""
    radians, slope = np.radians(angle), np.tan(np.radians(shear))
    cos, sin = np.cos(radians) / scale, np.sin(radians) / scale  # the determinant of the forward map is scale²
    matrices = np.zeros((len(values), 3, 3))
    matrices[:, 0, 0], matrices[:, 0, 1] = cos - sin * slope, sin + cos * slope
    matrices[:, 1, 0], matrices[:, 1, 1] = -sin, cos
    x, y = size[1] / 2, size[0] / 2
    for row, centre in enumerate((x, y)):
        matrices[:, row, 2] = centre - matrices[:, row, 0] * (x + across) - matrices[:, row, 1] * (y + down)
    matrices[:, 2, 2] = 1
    return matrices


def _homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(M, 3, 3) homographies from four points (M, 4, 2) to four others (4, 2): eight equations, eight unknowns."""
    x, y = source[..., 0], source[..., 1]
    one, zero = np.ones_like(x), np.zeros_like(x)
    u, v = (np.broadcast_to(target[:, i], x.shape) for i in (0, 1))
    first = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], -1)
    second = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], -1)
    unknowns = np.linalg.solve(np.concatenate([first, second], 1), np.concatenate([u, v], 1)[..., None])[..., 0]
    return np.concatenate([unknowns, np.ones((len(unknowns), 1))], 1).reshape(-1, 3, 3)


def _by_matrix(images: Tensor, matrices: np.ndarray, mass: bool, edges: np.ndarray | None = None) -> Tensor:
    """Sample images through matrices from output to input pixels, where the centre of the first pixel is (0.5, 0.5).

    ``edges`` (M, 4) are left, top, right and bottom limits, to which sampling positions are clamped.
    """
    height, width = images.shape[2:]
    # Change to grid_sample's coordinates, half sides from the centre; on the host, where double precision is free.
    pixels = np.array([[width / 2, 0, width / 2], [0, height / 2, height / 2], [0, 0, 1]])
    matrices = np.linalg.inv(pixels) @ matrices @ pixels
    matrix = on_device(matrices.astype(np.float32), images.device)[..., None, None]
    across, down = _lattice(images).unbind(-1)
    x, y, depth = (matrix[:, i, 0] * across + (matrix[:, i, 1] * down + matrix[:, i, 2]) for i in range(3))
    grid = torch.stack([x / depth, y / depth], -1)
    if edges is not None:
        low, high = (np.linalg.inv(pixels)[:2, :2] @ edges[:, i : i + 2, None] - 1 for i in (0, 2))
        low, high = (on_device(e.astype(np.float32), images.device).view(-1, 1, 1, 2) for e in (low, high))
        grid = torch.minimum(torch.maximum(grid, low), high)
    magnification = None
    if mass:
        magnification = on_device(np.abs(np.linalg.det(matrices)).astype(np.float32), images.device)[:, None, None]
        magnification = magnification / depth.abs() ** 3  # Jacobian determinant of a projection
    return _sample(images, grid, magnification)


def _lattice(images: Tensor) -> Tensor:
    """(1, H, W, 2) pixel centres, across and down, in half sides from the image's centre."""
    down, across = ((torch.arange(n, device=images.device) * 2 + 1) / n - 1 for n in images.shape[2:])
    return torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)[None]


def _input_area(grid: Tensor) -> Tensor:
    """(M, H, W) input area per output pixel: the absolute Jacobian determinant of the grid."""
    height, width = grid.shape[1:3]
    x, y = grid[..., 0] * (width / 2), grid[..., 1] * (height / 2)
    return (_derivative(x, 2) * _derivative(y, 1) - _derivative(x, 1) * _derivative(y, 2)).abs()


def _derivative(positions: Tensor, dim: int) -> Tensor:
    """Derivative of positions (M, H, W) along a side; 1 where the side has a single pixel."""
    return torch.gradient(positions, dim=dim)[0] if positions.shape[dim] > 1 else torch.ones_like(positions)


def _sample(images: Tensor, grid: Tensor, area: Tensor | None) -> Tensor:
    grid = grid.expand(len(images), -1, -1, -1).to(images.dtype)
    sampled = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return sampled if area is None else sampled * area[:, None]
