"""Give the latent codec's networks other layers than its own, to compare."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dfm import fourier
from dfm.codecs.latent import grids, model, planes, weights

_ACTIVATIONS = {"relu": jax.nn.relu, "gelu": jax.nn.gelu}


class Variant(NamedTuple):
    """Name the kind of nonlinear layers, and their units in each block of the synthesis and in the context.

    A unit of "fourier" is a phase of a layer over {0,1}^m; of the others, a hidden unit.
    """

    kind: str
    blocks: tuple[int, ...]
    context: int


def named(name: str) -> Variant:
    """Read a name such as fourier-5-5 or fourier-5-5-context-4: the kind, units of blocks, of the context.

    Raises:
        ValueError: it is none.
    """
    first, _, second = name.partition("-context-")
    kind, *units = first.split("-")
    known = kind in ("fourier", *_ACTIVATIONS)
    if not known or not units or not all(n.isdigit() for n in [*units, second or "0"]):
        raise ValueError(f"{name!r} is no variant; write one such as fourier-5-5 or gelu-12-11-context-4")
    return Variant(kind, tuple(map(int, units)), int(second or 0))


def init(what: Variant, seed: int) -> model.Weights:
    """Draw weights: those of the codec, but for the layers that a variant replaces."""
    w = {n: v for n, v in model.init(jax.random.key(seed), 0).items() if not n.startswith("synthesis")}
    keys = iter(jax.random.split(jax.random.key(seed + 1), 4 * len(what.blocks) + 4))

    def normal(*shape: int, deviation: float) -> Array:
        return deviation * jax.random.normal(next(keys), shape)

    for i, units in enumerate(what.blocks):
        inputs = 9 * (weights.COLORS if i else grids.COARSEST + 4)
        w[f"block.{i}"] = normal(weights.COLORS + units, inputs, deviation=0.02)
        w[f"block.{i}.bias"] = jnp.zeros(weights.COLORS + units)
        w[f"block.{i}.out"] = _second(what, units, weights.COLORS, next(keys))
    w["block.0.bias"] = w["block.0.bias"].at[: weights.COLORS].set(0.5)
    if what.context:
        w["context.more"] = normal(what.context, weights.INPUTS, deviation=0.02)
        w["context.more.bias"] = jnp.zeros(what.context)
        w["context.more.out"] = _second(what, what.context, 2, next(keys))
    return w


def multiplications(what: Variant) -> float:
    """Count those of synthesis and context model for a pixel; cosines and the like are not counted."""

    def block(inputs: int, units: int, outputs: int) -> int:
        return units * inputs + outputs * (2 * 2**units - 1 if what.kind == "fourier" else units)

    n = weights.INPUTS
    context = 2 * n * n + 4 * n + (block(n, what.context, 2) if what.context else 0)
    synthesis = 0
    for i, units in enumerate(what.blocks):
        inputs = 9 * (weights.COLORS if i else grids.COARSEST + 4)
        synthesis += inputs * weights.COLORS + block(inputs, units, weights.COLORS)
    return round(4 / 3 * context + synthesis / 4)


def bits(what: Variant, w: model.Weights, q: list[Array]) -> Array:
    """Give the bits that symbols cost."""
    if not what.context:
        return model.bits(w, q, 0)

    def costs_of(x: Array, symbols: Array) -> Array:
        more = _more(what, w, "context.more", w["context.more"] @ x + w["context.more.bias"][:, None])
        return model.laplace_bits(model.parameters(w, x) + more, symbols)

    return model.costs(costs_of, w, q, q, 0)


def image(what: Variant, w: model.Weights, q: list[Array], size: tuple[int, ...]) -> Float[Array, "3 h w"]:
    """Synthesize pixels."""
    x, colors = model.upsampled(w, q, 0), jnp.zeros(())
    for i in range(len(what.blocks)):

        def mapped(seen: Array, name: str = f"block.{i}") -> Array:
            u = w[name] @ seen + w[f"{name}.bias"][:, None]
            return u[: weights.COLORS] + _more(what, w, name, u[weights.COLORS :])

        x = colors = colors + planes.over_shifts(mapped, x, planes.AROUND, "edge")
    return planes.shuffled(x)[:, : size[0], : size[1]]


def _second(what: Variant, units: int, outputs: int, key: Array) -> Array:
    """Draw the weights behind the nonlinearity."""
    if what.kind == "fourier":
        return 0.1 * fourier.init(key, units, outputs)
    return jnp.asarray(0.1 * jax.random.normal(key, (units, outputs)) / units**0.5)


def _more(
    what: Variant, w: model.Weights, name: str, u: Float[Array, "units n"]
) -> Float[Array, "outputs n"]:
    out = w[f"{name}.out"]
    if what.kind == "fourier":
        return fourier.layer(fourier.scale(len(u)) * out, u.T).T
    activation: Callable[[Array], Array] = _ACTIVATIONS[what.kind]
    return jnp.asarray(out.T @ activation(u))
