"""Make the optimizer of a training: AdamW, and rows of latents each at its own pace."""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

if TYPE_CHECKING:
    from dfm.train import Config

_LATENTS = "latents"


def adam(config: "Config") -> optax.GradientTransformation:
    """Give AdamW (Loshchilov and Hutter, ICLR 2019) along a cosine, and `rows_adam` for `latents`."""
    network = optax.chain(
        optax.clip_by_global_norm(config.clip) if config.clip else optax.identity(),
        optax.scale_by_adam(b1=config.b1),
        optax.add_decayed_weights(config.weight_decay, _matrices)
        if config.weight_decay
        else optax.identity(),
        optax.scale_by_learning_rate(_along(config, config.learning_rate)),
    )
    if not config.latent_rate:
        return network
    latents = optax.chain(rows_adam(), optax.scale_by_learning_rate(_along(config, config.latent_rate)))
    return optax.partition({"network": network, _LATENTS: latents}, _labels)


class Rows(NamedTuple):
    """Hold the moments of `rows_adam`, and how often each row was seen."""

    seen: Any
    mean: Any
    square: Any


def rows_adam(b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> optax.GradientTransformation:
    """Give Adam (Kingma and Ba, ICLR 2015) in which a row without gradient neither moves nor ages.

    A table of latents has a row for each example, of which a batch sees few; plain Adam would move all others
    along their old momentum.
    """

    def init(params: Any) -> Rows:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return Rows(jax.tree.map(lambda p: jnp.zeros(len(p), jnp.int32), params), zeros, zeros)

    def update(gradient: Any, state: Rows, params: Any = None) -> tuple[Any, Rows]:
        def one(g: Float[Array, "n ..."], seen: Array, mean: Array, square: Array) -> tuple[Array, ...]:
            wide = (-1, *[1] * (g.ndim - 1))
            now = jnp.any(g != 0, axis=tuple(range(1, g.ndim)))
            seen = seen + now
            here, age = now.reshape(wide), jnp.maximum(seen, 1).reshape(wide)
            mean = jnp.where(here, b1 * mean + (1 - b1) * g, mean)
            square = jnp.where(here, b2 * square + (1 - b2) * g * g, square)
            step = mean / (1 - b1**age) / (jnp.sqrt(square / (1 - b2**age)) + eps)
            return jnp.where(here, step, 0), seen, mean, square

        found = jax.tree.map(one, gradient, *state)
        step, seen, mean, square = jax.tree.transpose(jax.tree.structure(gradient), None, found)
        return step, Rows(seen, mean, square)

    return optax.GradientTransformation(init, update)


def _along(config: "Config", rate: float) -> optax.Schedule:
    return optax.warmup_cosine_decay_schedule(
        rate / 100, rate, min(config.warmup, config.steps // 2), config.steps, rate / 100
    )


def _matrices(params: Any) -> Any:
    return jax.tree.map(lambda p: p.ndim > 1, params)


def _labels(params: Any) -> Any:
    def label(path: Any, _: Array) -> str:
        return _LATENTS if any(getattr(step, "key", None) == _LATENTS for step in path) else "network"

    return jax.tree_util.tree_map_with_path(label, params)
