"""Quantize vectors by a codebook (van den Oord et al., NIPS 2017), and again what that leaves of them.

Levels share one codebook: each quantizes the residual of those before (Lee et al., CVPR 2022, 3.1).
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

_DECAY = 0.99
_DEAD = 0.1  # use, in parts of the mean use, below which a code is replaced
_REVIVED = 0.2  # use that it then counts as: it has 70 steps to be chosen
_NEVER = 1e-6

Learning = Literal["average", "gradient"]


class Quantized(NamedTuple):
    """Hold each level's codes, the residuals they were chosen for, and the codebook's vectors of them."""

    codes: Int[Array, "*b l"]
    residuals: Float[Array, "*b l d"]
    chosen: Float[Array, "*b l d"]


class Quantizer(nnx.Module):
    """Own a codebook that is learned by gradient, or by a moving average of what chooses each code.

    Only the latter revives codes that go unused for long. At first all of them count as such: what the
    codebook is drawn as does not matter then, as the first batch replaces it.
    """

    def __init__(
        self, size: int, dimensions: int, levels: int, learning: Learning, *, rngs: nnx.Rngs
    ) -> None:
        self.levels, self.learning = levels, learning
        self.codebook = _KIND[learning](jax.random.normal(rngs.params(), (size, dimensions)))
        self.uses = nnx.Variable(jnp.full(size, _NEVER, jnp.float32))

    def __call__(self, vectors: Float[Array, "*b d"]) -> Quantized:
        """Choose a code for the vectors, then for what each level leaves."""
        codebook, residual, found = self.codebook[...], vectors, []
        for _ in range(self.levels):
            codes = nearest(codebook, residual)
            found.append(Quantized(codes, residual, codebook[codes]))
            residual = residual - jax.lax.stop_gradient(codebook[codes])
        stacked: Quantized = jax.tree.map(lambda *levels: jnp.stack(levels, vectors.ndim - 1), *found)
        return stacked

    def vectors(self, codes: Int[Array, "*b l"]) -> Float[Array, "*b d"]:
        """Add up what the codes of all levels stand for."""
        return self.codebook[...][codes].sum(-2)

    def learn(self, quantized: Quantized, key: PRNGKeyArray) -> Float[Array, ""]:
        """Give what a loss adds for the codebook to learn; a moving average moves now, and adds nothing."""
        return _LEARN[self.learning](self, quantized, key)


def nearest(codebook: Float[Array, "k d"], vectors: Float[Array, "*b d"]) -> Int[Array, "*b"]:
    """Find the codes at the least distance."""
    return jnp.argmin(jnp.sum(codebook**2, axis=1) - 2 * vectors @ codebook.T, axis=-1)


def straight_through(vectors: Float[Array, "*b d"], quantized: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    """Give `quantized`, the gradient of which goes to `vectors` as it is (section 3.2)."""
    return vectors + jax.lax.stop_gradient(quantized - vectors)


def commitment(quantized: Quantized) -> Float[Array, ""]:
    """Average the squared distances that draw vectors to their codes (section 3.2, the third term)."""
    return jnp.mean((quantized.residuals - jax.lax.stop_gradient(quantized.chosen)) ** 2)


def perplexity(codes: Int[Array, "*b l"], size: int) -> Float[Array, ""]:
    """Tell how many codes, equally often used, would be as hard to guess."""
    shares = jnp.bincount(codes.reshape(-1), length=size) / codes.size
    return jnp.exp(jnp.sum(jax.scipy.special.entr(shares)))


def average(
    codebook: Float[Array, "k d"],
    uses: Float[Array, " k"],
    vectors: Float[Array, "n d"],
    codes: Int[Array, " n"],
) -> tuple[Float[Array, "k d"], Float[Array, " k"]]:
    """Move each code to the moving average of the vectors that choose it (A.1); the mean of `uses` is 1."""
    chosen = jax.nn.one_hot(codes, len(codebook))
    weight = (1 - _DECAY) * len(codebook) / len(codes)
    after = _DECAY * uses + weight * chosen.sum(0)
    sums = (_DECAY * uses)[:, None] * codebook + weight * chosen.T @ vectors
    return sums / after[:, None], after


def revive(
    codebook: Float[Array, "k d"], uses: Float[Array, " k"], vectors: Float[Array, "n d"], key: PRNGKeyArray
) -> tuple[Float[Array, "k d"], Float[Array, " k"]]:
    """Put vectors, drawn at random, in place of codes that hardly any chose for long."""
    drawn = jax.random.choice(key, vectors, (len(codebook),), replace=len(codebook) > len(vectors))
    dead = uses < _DEAD
    return jnp.where(dead[:, None], drawn, codebook), jnp.where(dead, _REVIVED, uses)


def _by_average(quantizer: Quantizer, quantized: Quantized, key: PRNGKeyArray) -> Float[Array, ""]:
    vectors = jax.lax.stop_gradient(quantized.residuals).reshape(-1, quantized.residuals.shape[-1])
    moved = average(quantizer.codebook[...], quantizer.uses[...], vectors, quantized.codes.reshape(-1))
    quantizer.codebook[...], quantizer.uses[...] = revive(*moved, vectors, key)
    return jnp.zeros(())


def _by_gradient(quantizer: Quantizer, quantized: Quantized, key: PRNGKeyArray) -> Float[Array, ""]:
    return jnp.mean((jax.lax.stop_gradient(quantized.residuals) - quantized.chosen) ** 2)


_KIND: dict[Learning, type[nnx.Variable[Array]]] = {"average": nnx.Variable, "gradient": nnx.Param}
_LEARN: dict[Learning, Callable[[Any, Quantized, PRNGKeyArray], Array]] = {
    "average": _by_average,
    "gradient": _by_gradient,
}
