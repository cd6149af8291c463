"""Draw an image and what codecs made of it side by side, with captions."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from dfm import result

TILE = 192, 144  # width and height in pixels, at most, cut from the middle
COLUMNS = 3
CAPTION = 40
GAP = 8
SIZE = 13


def draw(
    original: UInt8[np.ndarray, "h w c"], results: Sequence[result.Result]
) -> UInt8[np.ndarray, "height width 3"]:
    """Lay out the middles of an RGB image and of its decoded files in rows of three, pixel for pixel."""
    tiles = [(original, "original"), *((r.decoded, _caption(r)) for r in results)]
    width, height = (min(side, most) for side, most in zip(original.shape[1::-1], TILE, strict=True))
    lines = -(-len(tiles) // COLUMNS)
    across, down = width + GAP, height + CAPTION + GAP
    sheet = Image.new("RGB", (GAP + COLUMNS * across, GAP + lines * down), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(SIZE)
    for i, (pixels, caption) in enumerate(tiles):
        left, top = GAP + i % COLUMNS * across, GAP + i // COLUMNS * down
        sheet.paste(Image.fromarray(_middle(pixels, width, height)), (left, top))
        pen.multiline_text((left, top + height + 3), caption, fill="black", font=font)
    return np.asarray(sheet)


def _caption(r: result.Result) -> str:
    return f"{r.label}\n{len(r.data):,} bytes, {r.psnr_db:.2f} dB"


def _middle(
    pixels: UInt8[np.ndarray, "h w c"], width: int, height: int
) -> UInt8[np.ndarray, "height width c"]:
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]
