"""Evaluate the Fourier layer of the thesis (eq. 4.5).

    y = sum_k a_k cos(2 pi k.x) + b_k sin(2 pi k.x) (+ x where y is as wide as x),   k in {0,1}^m

Parametrization. Let all coefficients be independent, of mean 0 and variance s^2. The Jacobian of the sum is
2 pi sum_k (b_k cos - a_k sin)(2 pi k.x) k^T. As cos^2 + sin^2 = 1 and half of all k have k_j = 1, each of
its entries has the variance (2 pi s)^2 2^(m-1) whatever x is, which is (s / u)^2 in the unit
u = 1 / (2 pi 2^((m-1)/2)) of `scale`. Coefficients are stored in this unit: independent changes of a given
size change the Jacobian by as much at every width. Changes of equal sign, as an optimizer may make, add up to
more at larger ones; that one learning rate trains all is tested, not derived. `init` draws coefficients with
the deviation

- 1 / (4 sqrt(m)) where x is added: the Jacobian J is 1 plus entries of variance 1 / 16m, so that
  E|Jv|^2 = (1 + 1/16) |v|^2 grows by less than e over 16 layers, and the network at its start is no noise;
- 1 / sqrt(n) elsewhere: E|Jv|^2 = |v|^2, so that it is not constant either.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

# Chebyshev fits in r^2, |r| <= 1/2, of cos(2 pi r) and sin(2 pi r) / r, to 1e-8: faster on a CPU than XLA's.
_COS = (6.528658161, -25.96759925, 60.16763095, -85.45013953, 64.93911746, -19.7392045, 0.9999999891)
_SIN = (3.238137513, -14.89984667, 42.02592699, -76.70301535, 81.60513139, -41.34170041, 6.283185303)
_BLOCK = {"cpu": 4096}  # points whose features stay in the cache of a core
_WHOLE = 65536  # on accelerators: enough points to fill them, few enough for their memory

Frequencies = Int[np.ndarray, "k m"]


def frequencies(m: int, order: int = 1) -> Frequencies:
    """List all frequency vectors in {0..order}^m, the zero vector first and the first component fastest."""
    return np.array(list(itertools.product(range(order + 1), repeat=m)), dtype=np.int32)[:, ::-1]


def features(x: Float[Array, "*batch m"], k: Frequencies) -> Float[Array, "*batch f"]:
    """Evaluate cos(2 pi k.x) for all rows of `k`, then sin(2 pi k.x) for all of them that are not zero."""
    cosines, sines = _circle(_phases(k, x.reshape(-1, x.shape[-1]).T))
    return jnp.concatenate([cosines, sines[np.any(k, axis=1)]]).T.reshape(*x.shape[:-1], -1)


def layer(
    w: Float[Array, "f n"], x: Float[Array, "*batch m"], k: Frequencies | None = None
) -> Float[Array, "*batch n"]:
    """Evaluate eq. 4.5 for the rows of `k`, by default `frequencies(m)`; x is added where n = m.

    Args:
        w: coefficients, a row for each of `features(x, k)` in its order; sin 0 has none.
        x: positions or activations, in turns.

    Raises:
        ValueError: `w` has another number of rows.
    """
    k = frequencies(x.shape[-1]) if k is None else k
    waves = np.any(k, axis=1)
    if len(w) != len(k) + waves.sum():
        raise ValueError(f"w has {len(w)} rows; a layer of {len(k)} frequencies has {len(k) + waves.sum()}")
    b = jnp.zeros((len(k), w.shape[1]), w.dtype).at[waves].set(w[len(k) :])
    y = _evaluate(_Frozen(k), w[: len(k)].T, b.T, x.reshape(-1, x.shape[-1]).T)
    y = y.T.reshape(*x.shape[:-1], -1)
    return y + x if y.shape == x.shape else y


def scale(m: int) -> float:
    """Give the unit in which the coefficients of a layer on `m` inputs are stored."""
    return 1 / (2 * math.pi * 2 ** ((m - 1) / 2))


def init(key: PRNGKeyArray, m: int, n: int) -> Float[Array, "f n"]:
    """Draw stored coefficients for k in {0,1}^m; multiply by `scale(m)` to get those of `layer`."""
    deviation = 1 / (4 * math.sqrt(m)) if n == m else 1 / math.sqrt(n)
    return deviation * jax.random.normal(key, (2 * 2**m - 1, n))


class Fourier(nnx.Module):
    """Own the stored coefficients of a layer from `m` to `n` dimensions and evaluate it."""

    def __init__(self, m: int, n: int, *, rngs: nnx.Rngs) -> None:
        self.w = nnx.Param(init(rngs.params(), m, n))

    def __call__(self, x: Float[Array, "*batch m"]) -> Float[Array, "*batch n"]:
        """Apply the layer to the last axis of `x`."""
        return layer(scale(x.shape[-1]) * self.w[...], x)


class _Frozen:
    """Make frequencies hashable, as a static argument must be."""

    def __init__(self, rows: Frequencies) -> None:
        self.rows = rows
        self._key = rows.shape, rows.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


_product = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)  # else of 10 bits on some GPUs


def _phases(k: Frequencies, x: Float[Array, "m points"]) -> Float[Array, "k points"]:
    return _product(jnp.asarray(k, x.dtype), x)


def _circle(turns: Array) -> tuple[Array, Array]:
    """Evaluate cos and sin of 2 pi `turns`."""
    r = turns - jnp.round(turns)
    z = r * r
    cosine, sine = jnp.full_like(z, _COS[0]), jnp.full_like(z, _SIN[0])
    for c, s in zip(_COS[1:], _SIN[1:], strict=True):
        cosine, sine = cosine * z + c, sine * z + s
    return cosine, r * sine


def _blocks(x: Float[Array, "m points"]) -> Float[Array, "blocks m block"]:
    count = max(1, -(-x.shape[1] // _BLOCK.get(jax.default_backend(), _WHOLE)))
    size = -(-x.shape[1] // count)
    padded = jnp.pad(x, ((0, 0), (0, count * size - x.shape[1])))
    return padded.reshape(len(x), count, size).swapaxes(0, 1)


def _points(blocks: Float[Array, "blocks n block"], count: int) -> Float[Array, "n points"]:
    return blocks.swapaxes(0, 1).reshape(blocks.shape[1], -1)[:, :count]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _evaluate(
    k: _Frozen, a: Float[Array, "n k"], b: Float[Array, "n k"], x: Float[Array, "m points"]
) -> Float[Array, "n points"]:
    """Evaluate the sum over k, block by block; its derivative computes the features again."""

    def block(x: Array) -> Array:
        cosines, sines = _circle(_phases(k.rows, x))
        return _product(a, cosines) + _product(b, sines)

    return _points(jax.lax.map(block, _blocks(x)), x.shape[1])


def _forward(k: _Frozen, a: Array, b: Array, x: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    return _evaluate(k, a, b, x), (a, b, x)


def _backward(k: _Frozen, kept: tuple[Array, Array, Array], g: Array) -> tuple[Array, Array, Array]:
    a, b, x = kept

    def block(sums: tuple[Array, Array], now: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        x, g = now
        cosines, sines = _circle(_phases(k.rows, x))
        turned = cosines * _product(b.T, g) - sines * _product(a.T, g)
        slopes = _product(g, cosines.T), _product(g, sines.T)
        return (sums[0] + slopes[0], sums[1] + slopes[1]), 2 * math.pi * _phases(k.rows.T, turned)

    zeros = jnp.zeros_like(a), jnp.zeros_like(b)
    (d_a, d_b), d_x = jax.lax.scan(block, zeros, (_blocks(x), _blocks(g)))
    return d_a, d_b, _points(d_x, x.shape[1])


_evaluate.defvjp(_forward, _backward)
