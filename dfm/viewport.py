"""Choose at which size, and which part of, an image is decoded."""

import math
import operator

from dfm import container

Size = tuple[int, int]
Region = tuple[int, int, int, int]


def resolve(
    header: container.Header,
    size: Size | None,
    scale: float | None,
    region: Region | None,
    max_pixels: int,
) -> tuple[Size, Region]:
    """Give (width, height) of the whole image and (x, y, width, height) of the part to decode, in pixels.

    Raises:
        ValueError: an argument is out of its range, or the part has more than `max_pixels` pixels.
    """
    whole = _size(header, size, scale)
    part = _inside(whole, region)
    if max(*whole, part[2] * part[3]) > max_pixels:
        raise ValueError(
            f"{part[2]} x {part[3]} pixels of an image of {whole[0]} x {whole[1]} are over the limit of "
            f"{max_pixels}; choose a smaller size or a region"
        )
    return whole, part


def _size(header: container.Header, size: Size | None, scale: float | None) -> Size:
    if size is not None and scale is not None:
        raise ValueError("size and scale are both given; give one of them, or none")
    if scale is not None:
        if not 0 < scale * header.width * header.height < math.inf:
            raise ValueError(f"scale is {scale}; give a finite number above 0")
        return max(1, round(scale * header.width)), max(1, round(scale * header.height))
    if size is None:
        return header.width, header.height
    width, height = map(operator.index, size)
    if width < 1 or height < 1:
        raise ValueError(f"size is {width} x {height}; give at least 1 x 1")
    return width, height


def _inside(size: Size, region: Region | None) -> Region:
    if region is None:
        return 0, 0, *size
    x, y, width, height = map(operator.index, region)
    if min(x, y) < 0 or min(width, height) < 1 or x + width > size[0] or y + height > size[1]:
        raise ValueError(
            f"region {x},{y},{width},{height} (x, y, width, height) does not lie in the image of "
            f"{size[0]} x {size[1]} pixels"
        )
    return x, y, width, height
