"""torchvision's tensors of boxes, masks and keypoints (``torchvision.tv_tensors``) from and to objects."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import torch
from torch import Tensor

from mixviz.core import checks
from mixviz.core.objects import Objects

Format = Literal["XYXY", "XYWH", "CXCYWH"]
FORMATS = ("XYXY", "XYWH", "CXCYWH")


class Target(TypedDict, total=False):
    """A picture's target, as torchvision's detection networks and transforms take it; what is unknown is not in it.

    ``boxes`` is a BoundingBoxes (M, 4), ``masks`` a Mask (M, H, W) uint8, ``labels`` (M,) int64, ``keypoints`` a
    KeyPoints (M, P, 2) of x and y, ``visibility`` (M, P) float32.
    """

    boxes: Any
    masks: Any
    labels: Tensor
    keypoints: Any
    visibility: Tensor


def from_tensors(
    boxes: Tensor | None = None,
    *,
    masks: Tensor | None = None,
    labels: Tensor | None = None,
    keypoints: Tensor | None = None,
    visibility: Tensor | None = None,
) -> Objects:
    """Return the objects of one picture; :func:`mixviz.core.objects.collate` joins those of a batch.

    Its (H, W) comes from ``canvas_size`` or from the masks.

    Args:
        boxes: ``BoundingBoxes`` (M, 4) in the format XYXY, XYWH or CXCYWH; None: those of the masks.
        masks: ``Mask`` or tensor (M, H, W) of bool, or of integers 0 and 1.
        labels: (M,) class indices.
        keypoints: ``KeyPoints`` (M, P, 2) of x and y in pixels; the centre of the first pixel is at 0.5.
        visibility: (M, P), COCO's 0, 1 or 2; None: all are visible.

    Raises:
        TypeError, ValueError: neither boxes nor masks, another format, sizes that differ, or what cannot be an object;
            says what to do.
    """
    given: dict[str, Any] = {"boxes": boxes, "keypoints": keypoints}
    sizes = {
        name: tuple(one.canvas_size) for name, one in given.items() if one is not None and hasattr(one, "canvas_size")
    }
    if masks is not None:
        checks.tensor("masks", masks, "integer" if masks.dtype != torch.bool else "bool", ("M", "H", "W"), values=False,
                      empty=True)  # fmt: skip
        sizes["masks"] = tuple(masks.shape[-2:])
    if boxes is None and masks is None:
        raise ValueError("Objects need boxes or masks: give BoundingBoxes (M, 4) or Mask (M, H, W).")
    if boxes is not None and "boxes" not in sizes:
        raise TypeError("boxes should be torchvision.tv_tensors.BoundingBoxes, which know their format and the "
                        f"picture's size; got {type(boxes).__name__}.")  # fmt: skip
    if len(set(sizes.values())) > 1:
        raise ValueError(f"All should be of one picture, of one size (height, width); got {sizes}.")
    size = next(iter(sizes.values()))
    bits = None if masks is None else _plain(masks)
    if bits is not None and bits.dtype != torch.bool:
        if bits.numel() and not bool(((bits == 0) | (bits == 1)).all()):
            raise ValueError(
                "masks should be 0 and 1, a mask for each object; split a map of numbers by masks == number."
            )
        bits = bits.bool()
    number = len(_plain(boxes)) if boxes is not None else len(bits) if bits is not None else 0
    return Objects(
        size=(int(size[0]), int(size[1])),
        count=1,
        image=torch.zeros(number, dtype=torch.int64),
        boxes=None if boxes is None else _edges(boxes),  # pyright: ignore[reportArgumentType]
        masks=bits,
        keypoints=None if keypoints is None else _points(keypoints, visibility),
        classes=None if labels is None else _plain(labels),
    )


def _plain(tensor: Tensor) -> Tensor:
    return tensor.as_subclass(Tensor)


def _edges(boxes: Any) -> Tensor:
    """(M, 4) float32, (top, left, bottom, right)."""
    name = getattr(boxes.format, "value", str(boxes.format))
    if name not in FORMATS:
        raise ValueError(f"boxes should be in the format {', '.join(FORMATS)}; got {name}: convert rotated boxes with "
                         "torchvision.transforms.v2.ConvertBoundingBoxFormat.")  # fmt: skip
    values = _plain(boxes)
    checks.tensor("boxes", values, "real", ("M", 4), values=False, empty=True)
    first, second, third, fourth = values.double().unbind(1)
    if name == "CXCYWH":
        first, second = first - third / 2, second - fourth / 2
    if name != "XYXY":
        third, fourth = first + third, second + fourth
    return torch.stack([second, first, fourth, third], 1).float()


def _points(keypoints: Any, visibility: Tensor | None) -> Tensor:
    """(M, P, 3) float32, (row, column, visibility)."""
    values = _plain(keypoints)
    checks.tensor("keypoints", values, "real", ("M", "P", 2), values=False, empty=True)
    seen = torch.full(values.shape[:2], 2.0, device=values.device) if visibility is None else visibility.float()
    checks.tensor("visibility", seen, "float", tuple(values.shape[:2]), 0, 2, empty=True)
    return torch.cat([values.flip(2).float(), seen[..., None]], 2)


def to_tensors(objects: Objects, format: Format = "XYXY") -> Target:
    """Return the objects of one picture as torchvision's tensors.

    Converting back gives the same boxes bit by bit in the format XYXY. In the others it does if the edges are multiples
    of 1/8 pixel (up to 2^20 pixels); else edges may differ by float32's rounding.

    Args:
        objects: of one picture; :meth:`Objects.of` takes them from a batch.
        format: of the boxes: XYXY (left, top, right, bottom), XYWH (left, top, width, height) or CXCYWH (centre,
            width, height).

    Raises:
        ValueError: objects of several pictures, or another format.
    """
    from torchvision import tv_tensors

    if objects.count != 1:
        raise ValueError(f"The objects should be of one picture; got those of {objects.count}: take them with of(i).")
    if format not in FORMATS:
        raise ValueError(f"format should be {', '.join(FORMATS)}; got {format!r}.")
    top, left, bottom, right = objects.boxes.double().unbind(1)
    if format == "XYXY":
        columns = [left, top, right, bottom]
    elif format == "XYWH":
        columns = [left, top, right - left, bottom - top]
    else:
        columns = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
    boxes = tv_tensors.BoundingBoxes(torch.stack(columns, 1).float(), format=format, canvas_size=objects.size)  # pyright: ignore[reportCallIssue]
    target = Target(boxes=boxes)
    if objects.masks is not None or objects.polygons is not None:
        target["masks"] = tv_tensors.Mask(objects.pixels().to(torch.uint8))
    if objects.classes is not None:
        target["labels"] = objects.classes
    if objects.keypoints is not None:
        points = objects.keypoints[..., :2].flip(2)
        form = getattr(tv_tensors, "KeyPoints", None)  # from torchvision 0.23 on
        target["keypoints"] = points if form is None else form(points, canvas_size=objects.size)
        target["visibility"] = objects.keypoints[..., 2]
    return target
