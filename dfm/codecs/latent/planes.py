"""Move pixels about in stacks of planes [channels, height, width]."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

_PIXELS = {"cpu": 6144}  # of a band, whose shifts stay in the cache of a core; elsewhere all are one band

Planes = Float[Array, "_c _h _w"]
Offsets = Sequence[tuple[int, int]]

AROUND: Offsets = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def of(image: UInt8[np.ndarray, "h w c"]) -> Float[Array, "c h w"]:
    """Give an image as planes, its pixels from 0 to 1."""
    return jnp.asarray(image.transpose(2, 0, 1) / 255.0, jnp.float32)


def over_shifts(
    f: Callable[..., Float[Array, "_d _n"]], x: Planes, offsets: Offsets, mode: str, *beside: Planes
) -> Planes:
    """Map each pixel by what stands around it: `f` gives [d, n] from shifts of planes [offsets c, n].

    It goes band by band, and again for the derivative, so that the shifts stay in the cache.

    Args:
        offsets: rows and columns (dy, dx) to the pixel that each shift brings; they are outermost in `f`.
        mode: that of jnp.pad.
        beside: planes of the size of `x`, which `f` is given as they are [_, n].
    """
    ups, lefts = zip(*offsets, strict=True)
    up, left, down, right = -min(0, *ups), -min(0, *lefts), max(0, *ups), max(0, *lefts)
    h, v = x.shape[1:]
    wide = left + v + right
    rows = max(up + down, min(h, _PIXELS.get(jax.default_backend(), h * wide) // wide))
    bands = overlapped(jnp.pad(x, ((0, 0), (0, 0), (left, right)), mode=mode), 1, rows, up, down, mode)
    count = bands.shape[1]
    long = jnp.pad(bands.reshape(len(x), count, -1), ((0, 0), (0, 0), (0, left + right)))
    below = ((0, 0), (0, count * rows - h), (0, wide - v))
    also = [jnp.pad(y, below).reshape(len(y), count, -1) for y in beside]
    starts = [(up + dy) * wide + left + dx for dy, dx in offsets]

    @jax.checkpoint
    def mapped(parts: list[Array]) -> Array:
        shifts = jnp.concatenate([parts[0][:, at : at + rows * wide] for at in starts])
        return f(apart(shifts), *parts[1:])

    found = jnp.asarray(jax.lax.map(mapped, [part.swapaxes(0, 1) for part in (long, *also)]))
    return found.swapaxes(0, 1).reshape(-1, count * rows, wide)[:, :h, :v]


def overlapped(x: Planes, axis: int, size: int, before: int, after: int, mode: str) -> Array:
    """Cut an axis into parts of `size` >= before + after, each with what stands `before` and `after` it.

    The axis becomes two. What is missing at the ends is padded by the `mode` of jnp.pad.
    """
    count = -(-x.shape[axis] // size)
    ends = [(0, 0)] * x.ndim
    ends[axis] = (before, count * size - x.shape[axis] + after)
    padded = jnp.moveaxis(jnp.pad(x, ends, mode=mode), axis, 0)
    parts = padded[: count * size].reshape(count, size, *padded.shape[1:])
    following = jnp.concatenate([parts[1:, : before + after], padded[None, count * size :]])
    return jnp.moveaxis(jnp.concatenate([parts, following], 1), (0, 1), (axis, axis + 1))


def windows(x: Array, corners: Int[np.ndarray, "n d"], shape: tuple[int, ...]) -> Array:
    """Stack parts of `x` of one shape; in a loop, which compiles in a tenth of the time of slices."""

    def part(corner: Array) -> Array:
        return jax.lax.dynamic_slice(x, tuple(corner), shape)

    return jnp.asarray(jax.lax.map(part, jnp.asarray(corners)))


def patches(x: Planes, mode: str) -> Planes:
    """Stack the nine shifts of 3x3 neighborhoods, the shifts outermost; `mode` is that of jnp.pad."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1)), mode=mode)
    corners = np.array([(0, i, j) for i in range(3) for j in range(3)], np.int32)
    return windows(padded, corners, x.shape).reshape(-1, *x.shape[1:])


def apart(x: Array) -> Array:
    """Keep XLA from computing `x` again in whatever uses it."""
    return jnp.asarray(jax.lax.optimization_barrier(x))


def mixed(w: Float[Array, "m n"], x: Planes, bias: Float[Array, " m"]) -> Planes:
    """Map the channels of each pixel linearly."""
    c, h, v = x.shape
    return (w @ x.reshape(c, h * v) + bias[:, None]).reshape(-1, h, v)


def shuffled(x: Planes) -> Planes:
    """Spread every four channels over 2x2 pixels: [4 c, h, w] to [c, 2 h, 2 w]."""
    c, h, v = x.shape
    return x.reshape(-1, 2, 2, h, v).transpose(0, 3, 1, 4, 2).reshape(c // 4, 2 * h, 2 * v)


def gathered(x: Planes) -> Planes:
    """Invert `shuffled`, after zeros where a side is odd."""
    c, h, v = x.shape
    even = jnp.pad(x, ((0, 0), (0, h % 2), (0, v % 2)))
    h, v = even.shape[1] // 2, even.shape[2] // 2
    return even.reshape(c, h, 2, v, 2).transpose(0, 2, 4, 1, 3).reshape(4 * c, h, v)


def doubled(x: Planes) -> Planes:
    """Repeat each pixel 2x2 times."""
    c, h, v = x.shape
    return jnp.broadcast_to(x[:, :, None, :, None], (c, h, 2, v, 2)).reshape(c, 2 * h, 2 * v)
