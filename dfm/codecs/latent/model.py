"""Evaluate the context model, the upsampling and the synthesis of the latent codec in floats."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from dfm import fourier, laplace
from dfm.codecs.latent import grids, planes, weights

_LEAST = 2.0**-16  # probability of a symbol
_SCALES = -laplace.ZERO / laplace.OCTAVE, 10.0  # log2 of the scale, least and most
_BLOCK = 8192
_FOURIER_UNIT = weights.FOURIER_UNIT[0] * 2.0 ** -weights.FOURIER_UNIT[1]

Weights = dict[str, Array]
Latents = Sequence[Float[Array, "_h _w"]]


def init(key: PRNGKeyArray, finest: int) -> Weights:
    """Draw weights for grids of the octaves `finest` to 6."""
    shapes = weights.shapes(finest)
    keys = iter(jax.random.split(key, 64))

    def normal(*shape: int, deviation: float) -> Array:
        return deviation * jax.random.normal(next(keys), shape)

    w = {name: jnp.zeros(shape) for name, shape in shapes.items()}
    for name in ("context.3", "context.skip"):
        w[name] = normal(*shapes[name], deviation=0.1)
    for octave in range(finest, grids.COARSEST):
        name = f"features.{octave}"
        w[name] = normal(*shapes[name], deviation=0.3 / shapes[name][1] ** 0.5)
    w["upsampling"] += jnp.array([_cubic(1.75), _cubic(0.75), _cubic(0.25), _cubic(1.25)])
    for block in ("synthesis.1", "synthesis.2"):
        inputs = shapes[block][1]
        linear = normal(weights.COLORS, inputs, deviation=0.02)
        phases = normal(weights.PHASES, inputs, deviation=0.02)
        w[block] = jnp.concatenate([linear, phases])
        w[f"{block}.fourier"] = 0.1 * fourier.init(next(keys), weights.PHASES, weights.COLORS)
    w["synthesis.1.bias"] = w["synthesis.1.bias"].at[: weights.COLORS].set(0.5)
    return w


def bits(w: Weights, q: Latents, finest: int) -> Float[Array, " grids"]:
    """Give the bits that the symbols `q`, in the order of coding, cost under the context model."""

    def costs_of(x: Array, symbols: Array) -> Array:
        return laplace_bits(parameters(w, x), symbols)

    costs = blockwise(costs_of, contexts(w, q, finest), symbols(q))
    ends = np.cumsum([values.size for values in q])[:-1]
    return jnp.stack([part.sum() for part in jnp.split(costs, ends)])


def contexts(w: Weights, q: Latents, finest: int) -> Float[Array, "inputs n"]:
    """Give what the context model sees of each symbol: its neighbors, then features of coarser grids."""
    inputs, known = [], jnp.zeros((0, 1, 1))
    coarser = grids.COARSEST
    for i, (grid, values) in enumerate(zip(grids.order(finest), q, strict=True)):
        if grid.octave < coarser:
            coarser, features = grid.octave, _features(w, grid.octave, known, values.shape)
            known = planes.doubled(known)[:, : values.shape[0], : values.shape[1]]
        elif i == 0:
            features = jnp.zeros((weights.FEATURES, *values.shape))
            known = jnp.zeros((0, *values.shape))
        x = jnp.concatenate([_neighbors(values), features]) + w["context.grids"][i][:, None, None]
        inputs.append(x.reshape(weights.INPUTS, -1))
        known = jnp.concatenate([known, values[None]])
    return jnp.concatenate(inputs, 1)


def symbols(q: Latents) -> Float[Array, " n"]:
    """String the grids together, as `contexts` does."""
    return jnp.concatenate([values.reshape(-1) for values in q])


def image(w: Weights, q: Latents, finest: int, size: tuple[int, ...]) -> Float[Array, "3 h w"]:
    """Synthesize pixels, of values about 0 to 1, from the symbols `q`."""
    colors = _block(w, "synthesis.1", upsampled(w, q, finest))
    colors = colors + _block(w, "synthesis.2", colors)
    return planes.shuffled(colors)[:, : size[0], : size[1]]


def upsampled(w: Weights, symbols: Latents, finest: int) -> Float[Array, "channels _h _w"]:
    """Bring the grids to half the size of the image; that of octave 0 becomes four channels."""
    q = {g.octave: v for g, v in zip(grids.order(finest), symbols, strict=True) if not g.hyper}
    y = q[grids.COARSEST][None]
    for octave in range(grids.COARSEST - 1, 0, -1):
        level = octave - 1
        fine = q[octave][None]
        y = _separable(y, w["upsampling"][level], "upsampling")[:, : fine.shape[1], : fine.shape[2]]
        y = jnp.concatenate([fine + _separable(fine, w["sharpening"][level], "sharpening"), y])
    if 0 in q:
        y = jnp.concatenate([planes.gathered(q[0][None]), y])
    return y


def loss(
    w: Weights,
    q: list[Array],
    weight_bits: Array | float,
    target: Array,
    lambda_: Array | float,
    finest: int,
) -> tuple[Array, Array]:
    """Give MSE + lambda * bits per pixel, then the MSE, the bits of the grids, and those of the weights."""
    total = jnp.sum(bits(w, q, finest))
    mse = jnp.mean((image(w, q, finest, target.shape[1:]) - target) ** 2)
    rate = (total + weight_bits) / (target.shape[1] * target.shape[2])
    return mse + lambda_ * rate, jnp.stack([mse, total, weight_bits])


def _neighbors(values: Array) -> Array:
    r = grids.REACH
    padded = jnp.pad(values, ((r, 0), (r, r)))
    corners = np.array(grids.NEIGHBORS, np.int32) + r
    return planes.windows(padded, corners, values.shape)


def _features(w: Weights, octave: int, known: Array, shape: tuple[int, ...]) -> Array:
    """Map the coarser grids, all at the size of the next one, to features of each of its four children."""
    seen = jnp.concatenate([known[:-1], planes.patches(known[-1:], "constant")])
    mapped = planes.mixed(w[f"features.{octave}"], seen, w[f"features.{octave}.bias"])
    return planes.shuffled(mapped)[:, : shape[0], : shape[1]]


def parameters(w: Weights, x: Float[Array, "inputs n"]) -> Float[Array, "2 n"]:
    """Give the means, and log2 of the scales, of symbols by their contexts."""
    h = jax.nn.relu(w["context.1"] @ x + w["context.1.bias"][:, None] + x)
    h = jax.nn.relu(w["context.2"] @ h + w["context.2.bias"][:, None] + h)
    return w["context.3"] @ h + w["context.skip"] @ x + w["context.3.bias"][:, None]


def laplace_bits(laplace: Float[Array, "2 n"], symbols: Float[Array, " n"]) -> Float[Array, " n"]:
    """Give the bits of symbols for the means, and log2 of the scales, of their distributions."""
    mean, scale = laplace
    b = jnp.exp2(jnp.clip(scale, *_SCALES))
    away = jnp.abs(symbols - mean)
    mass = _below(0.5 - away, b) - _below(-0.5 - away, b)
    return -jnp.log2(jnp.maximum(mass, _LEAST))


def _below(x: Array, b: Array) -> Array:
    """Evaluate the distribution function of Laplace's distribution of scale `b`."""
    tail = 0.5 * jnp.exp(-jnp.abs(x) / b)
    return jnp.where(x < 0, tail, 1 - tail)


def blockwise(costs: Callable[[Array, Array], Array], x: Array, symbols: Array) -> Array:
    """Evaluate blocks that fit the cache, and again for the derivative rather than keep what they hold."""
    blocks = -(-symbols.size // _BLOCK)
    size = -(-symbols.size // blocks)
    pad = blocks * size - symbols.size
    x = jnp.pad(x, ((0, 0), (0, pad))).reshape(len(x), blocks, size).swapaxes(0, 1)
    padded = jnp.pad(symbols, (0, pad)).reshape(blocks, size)
    each = jax.checkpoint(lambda now: costs(*now))
    return jnp.asarray(jax.lax.map(each, (x, padded)).reshape(-1)[: symbols.size])


def _separable(x: Array, taps: Array, kind: str) -> Array:
    """Filter both axes by a banded matrix made of four taps: on a CPU faster than convolutions."""
    rows, columns = (jnp.tensordot(taps, jnp.asarray(_bands(n, kind)), 1) for n in x.shape[1:])
    return jnp.einsum("oh,chw,pw->cop", rows, x, columns)


@functools.cache
def _bands(n: int, kind: str) -> Float[np.ndarray, "4 out n"]:
    """Give the matrix of each tap: of 8-tap symmetric doubling, or of a 7-tap symmetric filter."""
    at = np.arange(n)
    if kind == "upsampling":
        bands = np.zeros((4, 2 * n, n), np.float32)
        for i in range(4):
            np.add.at(bands[i], (2 * at, np.clip(at - 2 + i, 0, n - 1)), 1)
            np.add.at(bands[i], (2 * at + 1, np.clip(at + 2 - i, 0, n - 1)), 1)
        return bands
    bands = np.zeros((4, n, n), np.float32)
    for offset in range(-3, 4):
        inside = at[(at + offset >= 0) & (at + offset < n)]
        bands[3 - abs(offset), inside, inside + offset] = 1
    return bands


def _block(w: Weights, name: str, x: Array) -> Array:
    """Map 3x3 neighborhoods to colors: linearly, and by a Fourier layer of a few phases."""
    u = planes.mixed(w[name], planes.apart(planes.patches(x, "edge")), w[f"{name}.bias"])
    waves = fourier.layer(
        _FOURIER_UNIT * w[f"{name}.fourier"], u[weights.COLORS :].reshape(weights.PHASES, -1).T
    )
    return u[: weights.COLORS] + waves.T.reshape(u[: weights.COLORS].shape)


def _cubic(d: float, a: float = -0.75) -> float:
    """Evaluate the bicubic kernel at a distance d."""
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4)
