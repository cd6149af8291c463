"""Evaluate the context model, the upsampling and the synthesis of the latent codec in floats."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from dfm import fourier, laplace
from dfm.codecs.latent import filters, grids, planes, weights
from dfm.codecs.latent.planes import Planes

_LEAST = 2.0**-16  # probability of a symbol
_SCALES = -laplace.ZERO / laplace.OCTAVE, 10.0  # log2 of the scale, least and most
_BLOCK = 8192
_FOURIER_UNIT = weights.FOURIER_UNIT[0] * 2.0 ** -weights.FOURIER_UNIT[1]

Weights = dict[str, Array]
Latents = Sequence[Float[Array, "_h _w"]]
Costs = Callable[[Float[Array, "inputs n"], Float[Array, " n"]], Float[Array, " n"]]


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


def bits(w: Weights, q: Latents, finest: int) -> Float[Array, ""]:
    """Give the bits that the symbols `q`, in the order of coding, cost under the context model."""
    return costs(lambda x, symbols: laplace_bits(parameters(w, x), symbols), w, q, q, finest)


def costs(of: Costs, w: Weights, q: Latents, values: Latents, finest: int) -> Float[Array, ""]:
    """Add up `of(x, v)` of all symbols: x is what the context model sees of them, and v are `values`."""
    biases, features = w["context.grids"], _features(w, q, finest)
    coarse = [
        (jnp.concatenate([_neighbors(now), known]) + bias[:, None, None]).reshape(weights.INPUTS, -1)
        for now, known, bias in zip(q[:-1], features, biases, strict=False)
    ]
    strung = jnp.concatenate([now.reshape(-1) for now in values[:-1]])

    def of_finest(neighbors: Array, known: Array, v: Array) -> Array:
        return of(jnp.concatenate([neighbors, known]) + biases[-1][:, None], v[0])[None]

    beside = features[-1], values[-1][None]
    fine = planes.over_shifts(of_finest, q[-1][None], grids.NEIGHBORS, "constant", *beside)
    return jnp.sum(_blockwise(of, jnp.concatenate(coarse, 1), strung)) + jnp.sum(fine)


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
        y = filters.doubled(y, w["upsampling"][level])[:, : fine.shape[1], : fine.shape[2]]
        y = jnp.concatenate([fine + filters.sharpened(fine, w["sharpening"][level]), y])
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
    """Give MSE + lambda * bits per pixel, then the MSE, the bits of the grids and those of the weights."""
    total = bits(w, q, finest)
    mse = jnp.mean((image(w, q, finest, target.shape[1:]) - target) ** 2)
    rate = (total + weight_bits) / (target.shape[1] * target.shape[2])
    return mse + lambda_ * rate, jnp.stack([mse, total, weight_bits])


def _neighbors(values: Array) -> Array:
    r = grids.REACH
    padded = jnp.pad(values, ((r, 0), (r, r)))
    corners = np.array(grids.NEIGHBORS, np.int32) + r
    return planes.windows(padded, corners, values.shape)


def _features(w: Weights, q: Latents, finest: int) -> list[Float[Array, "features _h _w"]]:
    """Tell the context model of each grid about the coarser ones."""
    out = [jnp.zeros((weights.FEATURES, *q[0].shape))]
    known = q[0][None]
    for before, grid, now in zip(grids.order(finest), grids.order(finest)[1:], q[1:], strict=False):
        if grid.octave == before.octave:
            out.append(out[-1])
        else:
            out.append(_mapped(w, grid.octave, known, now.shape))
            known = planes.doubled(known)[:, : now.shape[0], : now.shape[1]]
        known = jnp.concatenate([known, now[None]])
    return out


def _mapped(w: Weights, octave: int, known: Array, shape: tuple[int, ...]) -> Array:
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


def _blockwise(costs: Costs, x: Float[Array, "inputs n"], symbols: Float[Array, " n"]) -> Array:
    """Evaluate blocks that fit the cache, and again for the derivative rather than keep what they hold."""
    blocks = -(-symbols.size // _BLOCK)
    size = -(-symbols.size // blocks)
    pad = blocks * size - symbols.size
    x = jnp.pad(x, ((0, 0), (0, pad))).reshape(len(x), blocks, size).swapaxes(0, 1)
    padded = jnp.pad(symbols, (0, pad)).reshape(blocks, size)
    each = jax.checkpoint(lambda now: costs(*now))
    return jnp.asarray(jax.lax.map(each, (x, padded)).reshape(-1)[: symbols.size])


def _block(w: Weights, name: str, x: Planes) -> Planes:
    """Map 3x3 neighborhoods to colors: linearly, and by a Fourier layer of a few phases."""
    matrix, bias, waves = w[name], w[f"{name}.bias"][:, None], _FOURIER_UNIT * w[f"{name}.fourier"]

    def mapped(seen: Array) -> Array:
        u = matrix @ seen + bias
        return u[: weights.COLORS] + fourier.layer(waves, u[weights.COLORS :].T).T

    return planes.over_shifts(mapped, x, planes.AROUND, "edge")


def _cubic(d: float, a: float = -0.75) -> float:
    """Evaluate the bicubic kernel at a distance d."""
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4)
