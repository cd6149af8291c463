"""Optimize by SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al., 2024, algorithm 3)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

_EPSILON = 1e-8
_WARM = 100  # steps in which the learning rate rises


class Moments(NamedTuple):
    """Hold the averages of one matrix: gradient, its rotated square, both covariances and their bases."""

    mean: Float[Array, "n m"]
    square: Float[Array, "n m"]
    left: Float[Array, "n n"]
    right: Float[Array, "m m"]
    left_basis: Float[Array, "n n"]
    right_basis: Float[Array, "m m"]


class State(NamedTuple):
    """Hold the number of steps, and the moments of each leaf."""

    step: Int[Array, ""]
    moments: list[Moments]


def scale_by_soap(*, b1: float = 0.95, b2: float = 0.95, every: int = 10) -> optax.GradientTransformation:
    """Turn gradients of vectors and matrices into SOAP's directions; vectors count as columns.

    The first gradient only gives the bases: in its own it is diagonal, and all else there is rounding.

    Args:
        b1: decay of the mean of the gradient.
        b2: decay of its rotated square and of its covariances.
        every: steps between changes of the bases.
    """

    def init(params: optax.Params) -> State:
        zeros = [_matrix(jnp.zeros_like(p)) for p in jax.tree.leaves(params)]
        return State(jnp.zeros((), jnp.int32), [_start(z) for z in zeros])

    def update(
        grads: optax.Updates, state: State, params: optax.Params | None = None
    ) -> tuple[optax.Updates, State]:
        leaves, structure = jax.tree.flatten(grads)
        first = state.step == 0
        moments = [_covaried(_matrix(g), m, b2) for g, m in zip(leaves, state.moments, strict=True)]
        moments = jax.lax.cond(
            state.step % every == 0, lambda ms: [_turned(m, first) for m in ms], list, moments
        )
        averaged = [_averaged(_matrix(g), m, b1, b2) for g, m in zip(leaves, moments, strict=True)]
        moments = jax.tree.map(lambda old, new: jnp.where(first, old, new), moments, averaged)
        count = jnp.maximum(state.step, 1)
        directions = [
            jnp.where(first, 0, _direction(m, 1 - b1**count, 1 - b2**count)).reshape(g.shape)
            for g, m in zip(leaves, moments, strict=True)
        ]
        return jax.tree.unflatten(structure, directions), State(state.step + 1, moments)

    return optax.GradientTransformation(init, update)


def along(rate: float, steps: int) -> optax.GradientTransformation:
    """Give SOAP with clipped gradients and a learning rate that falls from `rate` along a cosine."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, rate, min(_WARM, steps // 10), steps, rate / 100)
    return optax.chain(
        optax.clip_by_global_norm(1.0), scale_by_soap(), optax.scale_by_learning_rate(schedule)
    )


def _matrix(x: Array) -> Float[Array, "n m"]:
    return x[:, None] if x.ndim == 1 else x


def _start(zero: Float[Array, "n m"]) -> Moments:
    left, right = jnp.eye(zero.shape[0]), jnp.eye(zero.shape[1])
    return Moments(zero, jnp.zeros_like(zero), 0 * left, 0 * right, left, right)


def _covaried(g: Array, m: Moments, b2: float) -> Moments:
    left = b2 * m.left + (1 - b2) * g @ g.T
    right = b2 * m.right + (1 - b2) * g.T @ g
    return m._replace(left=left, right=right)


def _turned(m: Moments, first: Array) -> Moments:
    """Find the eigenbases at first, then follow them by one step of the power method."""

    def basis(covariance: Array, old: Array) -> Array:
        found = jax.lax.cond(
            first,
            lambda: jnp.linalg.eigh(covariance)[1],
            lambda: jnp.linalg.qr(covariance @ old)[0],
        )
        return jnp.asarray(found)

    return m._replace(left_basis=basis(m.left, m.left_basis), right_basis=basis(m.right, m.right_basis))


def _averaged(g: Array, m: Moments, b1: float, b2: float) -> Moments:
    rotated = m.left_basis.T @ g @ m.right_basis
    return m._replace(mean=b1 * m.mean + (1 - b1) * g, square=b2 * m.square + (1 - b2) * rotated * rotated)


def _direction(m: Moments, first: Array, second: Array) -> Array:
    mean = m.left_basis.T @ m.mean @ m.right_basis / first
    rotated = mean / (jnp.sqrt(m.square / second) + _EPSILON)
    return jnp.asarray(m.left_basis @ rotated @ m.right_basis.T)
