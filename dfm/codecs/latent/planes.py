"""Move pixels about in stacks of planes [channels, height, width]."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Planes = Float[Array, "_c _h _w"]


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
    return jnp.asarray(jax.lax.optimization_barrier(x))  # type: ignore[no-untyped-call]


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
