"""Draw masks, boxes and heat maps; pictures are numpy uint8 (H, W, 3) RGB."""

from __future__ import annotations

import base64
import functools
import io

import numpy as np
from PIL import Image, ImageDraw

BOX_COLOUR = (255, 64, 64)


@functools.cache
def _heat() -> np.ndarray:
    """The 256 RGB colours of the inferno map; brightness rises evenly, so colour-blind readers see the same order."""
    import cv2

    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO)[:, 0, ::-1]


def heat_map(saliency: np.ndarray) -> np.ndarray:
    """Colour a map (H, W) with values in [0, 1]."""
    return _heat()[np.rint(np.clip(saliency, 0, 1) * 255).astype(np.uint8)]


def overlay(picture: np.ndarray, saliency: np.ndarray, strength: float = 0.7) -> np.ndarray:
    """Overlay a heat map on the picture in grey, so that no hue of the picture is mistaken for heat."""
    grey = picture.astype(np.float32).mean(2, keepdims=True)
    return np.rint((1 - strength) * grey + strength * heat_map(saliency)).astype(np.uint8)


def spotlight(picture: np.ndarray, box: tuple[int, int, int, int], dim: float = 0.35) -> np.ndarray:
    """Dim the picture outside a box (top, left, bottom, right) and outline the box."""
    top, left, bottom, right = box
    dimmed = np.rint(picture * dim).astype(np.uint8)
    dimmed[top:bottom, left:right] = picture[top:bottom, left:right]
    return outline(dimmed, box)


def outline(picture: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Outline a box (top, left, bottom, right) on the picture; an empty box draws nothing."""
    top, left, bottom, right = box
    if bottom <= top or right <= left:
        return picture
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), outline=BOX_COLOUR, width=2)
    return np.asarray(image)


def contours(mask: np.ndarray) -> str:
    """Trace a mask (H, W) bool as an SVG path, in percent of the sides, simplified to about a pixel; empty if it is."""
    import cv2

    height, width = mask.shape
    large = cv2.resize(
        mask.astype(np.uint8), (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST
    )  # edges between pixels
    rings, _ = cv2.findContours(np.pad(large, 1), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parts = []
    for ring in rings:
        points = cv2.approxPolyDP(ring, 1.5, True)[:, 0].astype(float)
        places = (points - 0.5) * 50 / (width, height)
        if len(places) > 2:
            parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) + "Z")
    return "".join(parts)


def data_uri(picture: np.ndarray, kind: str = "JPEG") -> str:
    """Encode the picture as a data URI, ``JPEG`` or ``PNG``. OpenCV encodes a large JPEG in half of PIL's time."""
    import cv2

    if kind == "JPEG":
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
        data = encoded.tobytes()
    else:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, kind)
        data = buffer.getvalue()
    return f"data:image/{kind.lower()};base64," + base64.b64encode(data).decode()
