"""Every upload gives the right picture or a clear message, and the page, which all visitors share, keeps working."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser


def picture(width: int = 120, height: int = 90) -> Image.Image:
    """Make a picture, red above and blue below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = 255
    pixels[height // 2 :, :, 2] = 255
    return Image.fromarray(pixels)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bomb() -> bytes:
    """Make a PNG of a few bytes that claims 60,000 x 60,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def sixteen_bit() -> bytes:
    ramp = np.repeat(np.linspace(0, 65535, 90).astype(np.uint16)[:, None], 120, 1)
    return saved(Image.fromarray(ramp))


def transparent() -> bytes:
    image = picture().convert("RGBA")
    image.putalpha(Image.fromarray(np.repeat(np.array([255, 0], np.uint8), 45)[:, None].repeat(120, 1)))
    return saved(image)


def turned() -> bytes:
    """Make a rotated picture with its orientation; upright, red is above."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(picture(90, 90).rotate(90), "JPEG", exif=exif, quality=95)


def animated() -> bytes:
    frames = [picture(), Image.new("RGB", (120, 90), "green")]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
GOOD = {
    "cmyk.jpg": (saved(picture().convert("CMYK"), "JPEG", quality=95), RED, BLUE),
    "16-bit.png": (sixteen_bit(), (12, 12, 12), (243, 243, 243)),
    "palette.png": (saved(picture().quantize(4)), RED, BLUE),
    "transparent.png": (transparent(), RED, WHITE),
    "animated.gif": (animated(), RED, BLUE),
    "turned.jpg": (turned(), RED, BLUE),
    "really-a-png.gif": (saved(picture()), RED, BLUE),
    "grey.png": (saved(picture().convert("L")), (76, 76, 76), (29, 29, 29)),
    "wide.png": (saved(picture(20_000, 20)), RED, BLUE),
    # Browsers show none of these.
    "photo.tif": (saved(picture(), "TIFF"), RED, BLUE),
    "photo.jp2": (saved(picture(), "JPEG2000"), RED, BLUE),
    "float.tif": (
        saved(Image.fromarray(np.linspace(0, 1, 90 * 120, dtype=np.float32).reshape(90, 120)), "TIFF"),
        (12, 12, 12),
        (243, 243, 243),
    ),
}
BAD = {
    "no-picture.png": (b"This is a letter, not a picture.", "could not be read as a picture"),
    "truncated.png": (saved(picture(400, 300))[:300], "could not be read as a picture"),
    "truncated.jpg": (
        saved(Image.effect_noise((400, 300), 90).convert("RGB"), "JPEG")[:9000],
        "could not be read as a picture",
    ),
    "empty.png": (b"", "could not be read as a picture"),
    "bomb.png": (bomb(), "megapixels"),
    "huge.png": (saved(Image.new("1", (20_000, 4_000))), "megapixels"),
    "one.png": (saved(picture(1, 1)), "at least 16"),
    "line.png": (saved(picture(1, 5000)), "at least 16"),
    "drawing.png": (
        b"<svg xmlns='http://www.w3.org/2000/svg' width='90' height='90'/>",
        "could not be read as a picture",
    ),
}


def hand_in(tab, path) -> None:
    tab.choose("a", path)


def ends(page, source: str, side: int | None) -> list[list[int]]:
    """Return the colours near the upper and the lower edge of a picture, or of its first square."""
    return page.evaluate(
        """async ([source, side]) => {
            const image = new Image();
            image.src = source;
            await image.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.width, image.height];
            const pen = canvas.getContext("2d");
            pen.drawImage(image, 0, 0);
            const [width, height] = [side ?? image.width, side ?? image.height], x = Math.floor(width / 2);
            return [0.045, 0.955].map((y) => [...pen.getImageData(x, Math.floor(y * height), 1, 1).data.slice(0, 3)]);
        }""",
        [source, side],
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_an_unusual_picture_is_shown_right(one_tab, tmp_path, name):
    data, above, below = GOOD[name]
    (tmp_path / name).write_bytes(data)
    one_tab.page.get_by_placeholder("Find a method").fill("baseline")  # whose mixture is the sheet's only one
    one_tab.after(lambda: hand_in(one_tab, tmp_path / name))
    assert one_tab.page.locator(".mv-message").inner_text() == ""
    style = one_tab.page.locator("[data-method=baseline] .mv-tile").evaluate("(tile) => tile.style.backgroundImage")
    mixed = style[5:-2]  # the baseline is the sheet's first tile
    thumbnail = one_tab.page.locator(".mv-picture-a .mv-thumb")
    one_tab.page.wait_for_function(
        "(node) => node.style.backgroundImage.includes('data:')", arg=thumbnail.element_handle()
    )
    preview = thumbnail.evaluate("(node) => node.style.backgroundImage.slice(5, -2)")
    looks = [(mixed, 224), (preview, None)][: 1 if name == "wide.png" else 2]  # its preview is one pixel high
    for source, side in looks:
        for seen, expected in zip(ends(one_tab.page, source, side), (above, below), strict=True):
            assert np.abs(np.array(seen) - expected).max() < 24, (seen, expected)


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_shown_is_explained_and_the_page_goes_on(one_tab, tmp_path, name):
    data, message = BAD[name]
    (tmp_path / name).write_bytes(data)
    hand_in(one_tab, tmp_path / name)
    one_tab.page.get_by_text(message).first.wait_for()
    before = one_tab.state()["a"]
    pair = ("lion", "parrot") if "lion" not in before else ("frog", "orangutan")
    one_tab.after(lambda: one_tab.pair(f"Pair: {pair[0]} and {pair[1]}"))
    assert one_tab.page.locator("dialog[open]").count() == 0
    assert pair[0] in one_tab.page.locator(".mv-legend").inner_text()
