"""The one decoder for all picture files; its output matches what a good photo viewer shows."""

from __future__ import annotations

import functools
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

from mixviz.i18n import UserError

# Pillow's name of a format -> file extensions. Excluded are formats that Pillow passes to other programs (EPS to
# Ghostscript, WMF to Windows) or only identifies (GRIB, HDF5). TGA comes last because its files have no signature.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "PNG": (".png", ".apng"), "WEBP": (".webp",), "GIF": (".gif",),
    "BMP": (".bmp",), "TIFF": (".tif", ".tiff"), "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heics", ".heif", ".heifs", ".hif"),
    "JPEG2000": (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    "PPM": (".pbm", ".pgm", ".ppm", ".pnm", ".pfm"), "DIB": (".dib",), "ICO": (".ico",), "CUR": (".cur",),
    "ICNS": (".icns",), "PCX": (".pcx",), "DCX": (".dcx",), "PSD": (".psd",), "QOI": (".qoi",),
    "SGI": (".sgi", ".rgb", ".rgba", ".bw"), "SUN": (".ras",), "DDS": (".dds",), "BLP": (".blp",),
    "FTEX": (".ftc", ".ftu"), "FITS": (".fits", ".fit"), "FLI": (".fli", ".flc"), "GBR": (".gbr",), "IM": (".im",),
    "MSP": (".msp",), "PCD": (".pcd",), "PIXAR": (".pxr",), "XBM": (".xbm",), "XPM": (".xpm",),
    "TGA": (".tga", ".icb", ".vda", ".vst"),
}  # fmt: skip
# Picture formats that cannot be read; files of them are reported as such instead of passed over.
FOREIGN = {
    ".svg": "SVG", ".jxl": "JPEG XL", ".eps": "EPS", ".wmf": "WMF", ".emf": "WMF",
    **dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"), "camera raw"),
}  # fmt: skip
ENDINGS = (*(ending for endings in FORMATS.values() for ending in endings), *FOREIGN)
SOME_ENDINGS = ", ".join((".jpg", ".png", ".webp", ".gif", ".bmp", ".avif", ".tif", ".heic", ".jp2"))
TITLES = {"HEIF": "HEIC", "JPEG2000": "JPEG 2000", "MPO": "JPEG"}  # common names of formats
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

MAX_PIXELS = 70_000_000  # of a picture after decoding
MOST_PIXELS = 250_000_000  # of a JPEG in its file; large ones are decoded at a half, a quarter or an eighth

# Protect other code of this process that opens pictures (Gradio) from decompression bombs. Smaller pictures are subject
# to the limits above.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS

File = str | os.PathLike[str] | BinaryIO


class PictureError(UserError):
    """An unusable picture; the message names it, gives the reason and says what to do."""


def is_picture(name: str) -> bool:
    """Whether a file name has a picture's extension."""
    return name.lower().endswith(ENDINGS)


def hidden(name: str) -> bool:
    """Whether a name is hidden or a file of the operating system.

    ".." in a zip is not hidden: names in a zip are only displayed and never used as paths.
    """
    return (name.startswith(".") and name not in (".", "..")) or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def sorted_out(folder: Path, pattern: str = "*") -> tuple[list[Path], list[Path]]:
    """(pictures, other files) of a folder, sorted by name, without hidden files."""
    pictures, others = [], []
    for path in sorted(folder.glob(pattern)):
        if any(map(hidden, path.relative_to(folder).parts)):
            continue
        if is_picture(path.name):
            pictures.append(path)
        elif path.is_file():
            others.append(path)
    return pictures, others


def left_out(names: Sequence[object]) -> str:
    """Message about files left out because their names do not end like a picture's."""
    examples = ", ".join(map(str, names[:5])) + (", …" if len(names) > 5 else "")
    return f"Left out, no pictures by their names' endings: {len(names)} ({examples})."


def decode(path: File, least: int | None = None, *, smallest: int = 1, name: str | None = None) -> Image.Image:
    """Decode the first frame of a picture file: upright, sRGB, transparency over white.

    A JPEG is decoded at the smallest of the scales 1, 1/2, 1/4 and 1/8 whose shorter side has ``least`` pixels, and in
    any case small enough to stay within :data:`MAX_PIXELS`.

    Args:
        path: path of a file, or an open file.
        least: pixels needed along the shorter side; None: full size.
        smallest: minimum length of the shorter side in the file, in pixels.
        name: the picture's name in messages; None: the file's name.

    Raises:
        PictureError: not a picture, damaged, too large, or too small; says what to do.
    """
    with _opened(path, name) as image:
        width, height = image.size
        pixels, scalable = width * height, image.format in ("JPEG", "MPO") and "progressive" not in image.info
        if pixels > (MOST_PIXELS if scalable else MAX_PIXELS):  # a progressive JPEG is buffered whole at any scale
            raise _too_large(path, name, pixels, image.format)
        if min(width, height) < smallest:
            values = {"name": _called(path, name), "format": _title(image.format or ""), "width": width}
            raise PictureError("error.too_small", **values, height=height, least=smallest)
        if scalable:
            scale = next((s for s in (8, 4, 2) if min(width, height) >= s * (least or min(width, height))), 1)
            while pixels > MAX_PIXELS * scale**2:
                scale *= 2
            if scale > 1:
                image.draft(None, (width // scale, height // scale))
        image.load()
        with suppress(Exception):  # ignore the orientation in damaged EXIF data
            ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image)


def upright_size(path: File, name: str | None = None) -> tuple[int, int]:
    """(height, width) of a picture file after its EXIF orientation, read from the header alone.

    Raises:
        PictureError: not a picture, or its header is damaged.
    """
    with _opened(path, name) as image:
        width, height = image.size
        rotated = _orientation(image) >= 5
    return (width, height) if rotated else (height, width)


def orientation(path: File, name: str | None = None) -> int:
    """EXIF orientation of a picture file, 1 (upright) to 8, by which :func:`decode` turns its pixels.

    Raises:
        PictureError: not a picture, or its header is damaged.
    """
    with _opened(path, name) as image:
        return _orientation(image)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1 in damaged EXIF data, and of a TIFF, whose size and pixels are upright when opened."""
    code = 1
    with suppress(Exception):
        code = 1 if image.format == "TIFF" else int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return code if 1 <= code <= 8 else 1


@functools.cache
def _formats() -> tuple[str, ...]:
    """Formats that can be read, with HEIC if its plug-in is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return tuple(name for name in FORMATS if name != "HEIF")
    register_heif_opener()
    return tuple(FORMATS)


@contextmanager
def _opened(path: File, name: str | None) -> Iterator[Image.Image]:
    """Open an image without decoding its pixels; turn every error within the context into a PictureError."""
    image_format = None
    try:
        with Image.open(path, formats=_formats()) as image:
            image_format = image.format
            # Camera raw files open as TIFF, but only their thumbnail would be decoded.
            if image_format == "TIFF" and (kind := FOREIGN.get(_ending(path, name))):
                raise PictureError("error.format", name=_called(path, name), format=kind)
            yield image
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # its first number is the size
        raise _too_large(path, name, int(re.findall(r"\d+", str(error))[0]), image_format) from None
    except FileNotFoundError:
        raise PictureError("error.no_file", name=_called(path, name)) from None
    except Exception as error:  # decoders raise nearly anything on damaged files
        if isinstance(error, OSError) and error.errno:
            raise PictureError("error.access", name=_called(path, name), reason=error.strerror) from None
        raise _refusal(path, name, image_format) from None


def _called(path: File, name: str | None) -> str:
    """The picture's name for messages, or "picture" if it has none."""
    return name or os.path.basename(str(getattr(path, "name", "") if hasattr(path, "read") else path)) or "picture"


def _ending(path: File, name: str | None) -> str:
    return os.path.splitext(_called(path, name))[1].lower()


def _title(key: str) -> str:
    return TITLES.get(key, key)


def _too_large(path: File, name: str | None, pixels: int, key: str | None) -> PictureError:
    ending = _ending(path, name)
    key = key or next((key for key, endings in FORMATS.items() if ending in endings), ending.lstrip(".").upper())
    sizes = {"size": round(pixels / 10**6, 1), "limit": MAX_PIXELS // 10**6, "most": MOST_PIXELS // 10**6}
    return PictureError("error.too_large", name=_called(path, name), format=_title(key), **sizes)


def _refusal(path: File, name: str | None, image_format: str | None) -> PictureError:
    """The error for an unreadable file: damaged, an unsupported format, or not a picture."""
    kind = _title(image_format) if image_format else _foreign(_head(path), _ending(path, name))
    if kind == "HEIC" and "HEIF" not in _formats():
        return PictureError("error.heic", name=_called(path, name))
    if image_format or kind == "HEIC":
        return PictureError("error.damaged", name=_called(path, name), format=kind)
    if kind:
        return PictureError("error.format", name=_called(path, name), format=kind)
    return PictureError("error.unreadable", name=_called(path, name))


def _head(path: File) -> bytes:
    if isinstance(path, str | os.PathLike):
        with open(path, "rb") as file:
            return file.read(1000)
    path.seek(0)
    return path.read(1000)


def _foreign(head: bytes, ending: str) -> str | None:
    """The format of a file that Pillow does not recognise, by its content, else by its extension."""
    if head[4:8] == b"ftyp" and head[8:12] in HEIC:
        return "HEIC"
    signatures = {b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL ": "JPEG XL", b"%PDF": "PDF", b"%!PS": "EPS"}
    kind = next((kind for signature, kind in signatures.items() if head.startswith(signature)), None)
    return kind or ("SVG" if b"<svg" in head else FOREIGN.get(ending))


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert an opened image to 8-bit sRGB, with transparency over white."""
    space = image.mode if image.mode in ("CMYK", "LAB") else "L" if image.mode[0] in "1LIF" else "RGB"
    profile = b"LAB" if space == "LAB" else image.info.get("icc_profile")
    if image.mode[0] in "IF":
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if profile and (conversion := _to_srgb(profile)):
        mode, transform = conversion
        if mode == space:  # a profile of another colour space does not belong to this picture
            return transform(image.convert(mode))
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Convert 16-bit, 32-bit integer and float images to L, or to LA if one value marks transparency.

    16-bit images (PPM included) keep their range. For values without a fixed range, white is the smallest of 1, 255 and
    65535 that is at least the maximum; if none is, it is the maximum.
    """
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        grey = (values // 257).astype(np.uint8)
    else:
        values = np.nan_to_num(values.astype(np.float32), nan=0, posinf=np.inf, neginf=-np.inf)
        maximum = float(values[np.isfinite(values)].max(initial=0))
        ranges = (65535,) if image.mode == "I" and image.format == "PPM" else (1, 255, 65535, maximum)
        white = next(n for n in ranges if maximum <= n)
        grey = np.clip(values * (255 / white), 0, 255).round().astype(np.uint8)
    if (transparent := image.info.get("transparency")) is None:
        return Image.fromarray(grey)
    return Image.merge("LA", [Image.fromarray(grey), Image.fromarray((values != transparent).astype(np.uint8) * 255)])


@functools.lru_cache(maxsize=16)
def _to_srgb(profile: bytes) -> tuple[str, Callable[[Image.Image], Image.Image]] | None:
    """(mode, function from images of this mode to sRGB) for an embedded profile; None if it is damaged or makes no
    visible difference."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB") if profile == b"LAB" else io.BytesIO(profile))
        space: str = source.profile.xcolor_space  # pyright: ignore[reportAttributeAccessIssue]  # Pillow's type is too wide
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}[space.strip()]
        transform = ImageCms.ImageCmsTransform(
            source, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")), mode, "RGB"
        )
        if mode in ("RGB", "L"):
            levels = np.linspace(0, 255, 18).round().astype(np.uint8)
            colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(18, -1, 3)
            before = Image.fromarray(colours).convert(mode)
            after = transform.apply(before)
            if np.abs(np.asarray(after, np.int16) - np.asarray(before.convert("RGB"), np.int16)).max() <= 2:
                return None  # one of the many variants of sRGB
    except Exception:  # damaged profiles raise nearly anything
        return None
    return mode, transform.apply
