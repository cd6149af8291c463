"""Read image files into arrays, and write arrays and bytes to files, whole or not at all."""

import contextlib
import io
import os
import secrets
import stat
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from dfm import container

FilePath = str | os.PathLike[str]

_CONVERSIONS = {
    "1": "L",
    "L": "L",
    "P": "RGB",
    "RGB": "RGB",
    "RGBX": "RGB",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
    "LA": "LA",
    "La": "LA",
    "PA": "RGBA",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
}
_FIRST_FRAME_IS_WHOLE = {"MPO", "PSD"}  # a photo with its previews, a composite with its layers
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    **{name: {"quality": 95, "subsampling": "4:4:4"} for name in ("AVIF", "JPEG", "MPO", "PDF")},
    **{name: {} for name in ("EPS", "PNG")},
    "WEBP": {"lossless": True, "exact": True},
}  # formats beside these may turn pixels into others, or hold some sizes alone


def read(source: FilePath | IO[bytes]) -> UInt8[np.ndarray, "h w *c"]:
    """Read a picture as a viewer shows it: turned by its EXIF orientation, in sRGB, 8 bits a channel.

    Gray and 1-bit files give [H, W]; others [H, W, C] with C = 2 (gray, alpha), 3 (RGB) or 4 (RGBA).
    Palettes, CMYK and YCbCr become RGB; an embedded color profile is applied, for a .dfm file holds none.

    Args:
        source: a path, or a file object opened for reading bytes.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no image that Pillow reads, is damaged or animated, has more pixels than Pillow
            allows, or more than 8 bits a channel (Pillow itself reduces AVIF, JPEG 2000 and PPM to 8).
    """
    with contextlib.ExitStack() as stack:
        name = getattr(source, "name", "the input")
        if isinstance(source, str | os.PathLike):
            name, source = os.fspath(source), stack.enter_context(open(source, "rb"))
        file = source if source.seekable() else io.BytesIO(source.read())
        try:
            with Image.open(file) as picture:
                return _pixels(picture)
        except UnidentifiedImageError:
            raise ValueError(f"cannot read {name}: {_explain(file)}") from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            limit = Image.MAX_IMAGE_PIXELS
            raise ValueError(f"cannot read {name}: it has far over {limit} pixels; make it smaller") from None
        except Exception as error:  # damaged files make Pillow's readers raise nearly every kind
            raise ValueError(f"cannot read {name}: {str(error) or type(error).__name__}") from error


def from_pillow(picture: Image.Image) -> UInt8[np.ndarray, "h w *c"]:
    """Convert a Pillow image of 8 bits a channel, or 1, to its array in L, LA, RGB or RGBA.

    Raises:
        ValueError: the mode is another.
    """
    mode = _CONVERSIONS.get(picture.mode)
    if mode is None:
        raise ValueError(f"its pixels are of mode {picture.mode}; convert it to 8-bit gray or RGB first")
    if mode in ("L", "RGB") and picture.has_transparency_data:
        mode += "A"
    return np.asarray(_in_srgb(picture, mode))


def readable(path: FilePath) -> bool:
    """Tell by its suffix whether Pillow reads a file."""
    Image.init()
    return Image.EXTENSION.get(Path(path).suffix.lower()) in Image.OPEN


def format_of(path: FilePath) -> str:
    """Give Pillow's name of the format that the suffix of `path` asks for; PNG where it has none.

    Raises:
        ValueError: Pillow writes no such format.
    """
    suffix = Path(path).suffix.lower() or ".png"
    Image.preinit()
    if suffix not in Image.EXTENSION:
        Image.init()
    format_ = Image.EXTENSION.get(suffix, "")
    if format_ not in Image.SAVE:
        raise ValueError(f"cannot write {os.fspath(path)}: Pillow writes no {suffix} files; choose .png")
    return format_


def pack(image: UInt8[np.ndarray, "h w *c"], format_: str = "PNG") -> bytes:
    """Give the bytes of `image` as a file of Pillow's `format_`, lossless or at quality 95.

    Raises:
        ValueError: the format cannot hold the image.
    """
    buffer = io.BytesIO()
    pixels = image[:, :, 0] if image.shape[2:] == (1,) else image
    picture = Image.fromarray(pixels)
    try:
        picture.save(buffer, format_, **_SAVE_OPTIONS.get(format_, {}))
        read_back = pixels if format_ in _SAVE_OPTIONS else Image.open(buffer).convert(picture.mode)
    except Exception as error:  # as in read
        raise ValueError(f"{error or type(error).__name__}; choose .png") from error
    if not np.array_equal(pixels, np.asarray(read_back)):
        raise ValueError(f"{format_} cannot hold this image as it is; choose .png")
    return buffer.getvalue()


def write(path: FilePath, image: UInt8[np.ndarray, "h w *c"]) -> None:
    """Write an image in the format of its suffix (see `format_of`), whole or not at all."""
    write_bytes(path, pack(image, format_of(path)))


def write_bytes(path: FilePath, data: bytes) -> None:
    """Write a file whole or not at all: an old file stays until the new one is on the disk.

    A replaced file keeps its permissions, a symbolic link its place. Devices and pipes are written directly.
    A process that is killed may leave a file .dfm-* beside, which can go.

    Raises:
        OSError: it cannot be written; the old file, if any, is as it was.
    """
    given = Path(path)
    try:
        if given.exists() and not given.is_file():
            given.write_bytes(data)
        else:
            _replace(Path(os.path.realpath(given)), data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _replace(target: Path, data: bytes) -> None:
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(13, "Permission denied")
    temporary = target.with_name(f".dfm-{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _pixels(picture: Any) -> UInt8[np.ndarray, "h w *c"]:
    if getattr(picture, "is_animated", False) and picture.format not in _FIRST_FRAME_IS_WHOLE:
        raise ValueError(f"it has {picture.n_frames} frames; save the one you want as a PNG first")
    rawmode = [tile.args[0] if isinstance(tile.args, tuple) else tile.args for tile in picture.tile[:1]]
    if picture.mode not in _CONVERSIONS or ";16" in str(rawmode):
        raise ValueError("it has more than 8 bits a channel; convert it to 8 bits first")
    return from_pillow(ImageOps.exif_transpose(picture))


def _in_srgb(picture: Image.Image, mode: str) -> Image.Image:
    """Convert to `mode`, and colors to sRGB by the embedded profile, if that can be read and is not sRGB."""
    profile = picture.info.get("icc_profile")
    if picture.mode != "CMYK":
        picture = picture.convert(mode)
    if profile and picture.mode in ("RGB", "RGBA", "CMYK"):
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ImportError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if not ImageCms.getProfileDescription(source).startswith("sRGB"):
                srgb = ImageCms.createProfile("sRGB")
                return ImageCms.profileToProfile(picture, source, srgb, outputMode=mode) or picture
    return picture.convert(mode)


def _explain(file: IO[bytes]) -> str:
    """Say why Pillow does not know what `file` holds."""
    file.seek(0)
    head = file.read(4)
    if not head:
        return "it is empty"
    if head == container.MAGIC[:4]:
        return "it is a .dfm file already; decode it first"
    return "it is no image, or of a kind that Pillow does not know; convert it to PNG first"
