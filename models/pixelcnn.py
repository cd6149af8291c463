"""Gated PixelCNN over codes, of a class (van den Oord et al., Conditional PixelCNN, NIPS 2016).

The vertical stack is given the codes one row above, the horizontal one those one cell to the left. What they
saw before is a cache: of zeros in training, which takes whole images, and used in sampling, a cell at a time.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from dfm.batch import Batch
from models.layers.masked import Gated
from models.layers.mlp import MLP


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        codes: size of the alphabet.
        classes: number of these.
        width: channels of each stack.
        layers: gated ones.
        reach: cells that a layer sees up, left and, in rows above, right; kernels are of 2 reach + 1.
    """

    codes: int = 16
    classes: int = 10
    width: int = 32
    layers: int = 4
    reach: int = 1


class Model(nnx.Module):
    """Own both stacks, from codes to log odds of the next."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config, self.grid = config, shape[1:]
        self.embed = nnx.Embed(config.codes + 1, config.width, rngs=rngs)  # the last is none, at the border
        self.layers = nnx.List(
            [Gated(config.width, config.classes, config.reach, rngs=rngs) for _ in range(config.layers)]
        )
        self.last = MLP((config.width, config.width, config.codes), rngs=rngs)

    def __call__(self, codes: Int[Array, "b h w"], labels: Int[Array, " b"]) -> Float[Array, "b h w k"]:
        """Give log odds of each code, given those before it in rows."""
        edged = jnp.pad(codes, ((0, 0), (1, 0), (1, 0)), constant_values=self.config.codes)
        seen, _ = self.rows(edged[:, :-1, 1:], labels, self.above(len(codes)))
        logits, _ = self.cells(edged[:, 1:, :-1], seen, self.left(*codes.shape[:2]))
        return logits

    def rows(
        self, codes: Int[Array, "b r w"], labels: Int[Array, " b"], above: Float[Array, "l b reach w n"]
    ) -> tuple[Float[Array, "l b r w n2"], Float[Array, "l b reach w n"]]:
        """Give what the vertical stack tells of rows, from the codes one row above, and the next cache."""
        v, seen, kept = self.embed(codes), [], []
        for layer, cache in zip(self.layers, above, strict=True):
            v, told, cache = layer.vertical(v, labels, cache)
            seen.append(told)
            kept.append(cache)
        return jnp.stack(seen), jnp.stack(kept)

    def cells(
        self,
        codes: Int[Array, "b r q"],
        seen: Float[Array, "l b r q n2"],
        left: Float[Array, "l b r reach n"],
    ) -> tuple[Float[Array, "b r q k"], Float[Array, "l b r reach n"]]:
        """Give log odds of cells, from the codes one to the left and `rows`, and the next cache."""
        h, kept = self.embed(codes), []
        for layer, told, cache in zip(self.layers, seen, left, strict=True):
            h, cache = layer.horizontal(h, told, cache)
            kept.append(cache)
        return self.last(jax.nn.silu(h)), jnp.stack(kept)

    def above(self, n: int) -> Float[Array, "l n reach w width"]:
        """Give the cache of `rows` at the first."""
        return jnp.zeros((self.config.layers, n, self.config.reach, self.grid[1], self.config.width))

    def left(self, n: int, rows: int) -> Float[Array, "l n rows reach width"]:
        """Give the cache of `cells` at the first of rows."""
        return jnp.zeros((self.config.layers, n, rows, self.config.reach, self.config.width))


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the cross-entropy, in nats a code."""
    logits = model(batch.images, batch.labels)
    value = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, batch.images))
    return value, {"bits_per_code": value / jnp.log(2)}


def sample(
    model: Model, key: PRNGKeyArray, n: int, labels: Int[Array, " n"] | None = None
) -> Int[Array, "n h w"]:
    """Draw codes of classes, by default each in turn, row by row and in these cell by cell."""
    classes = jnp.arange(n) % model.config.classes if labels is None else labels
    height, width = model.grid
    none = jnp.full((n, 1, width), model.config.codes)

    def cell(carry: tuple[Array, Array], given: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        (code, left), (key, seen) = carry, given
        logits, left = model.cells(code, seen[:, :, :, None], left)
        code = jax.random.categorical(key, logits)
        return (code, left), code[:, 0, 0]

    def row(carry: tuple[Array, Array], keys: Array) -> tuple[tuple[Array, Array], Array]:
        codes, above = carry
        seen, above = model.rows(codes, classes, above)
        start = none[:, :, :1], model.left(n, 1)
        codes = jax.lax.scan(cell, start, (keys, jnp.moveaxis(seen, 3, 0)))[1].T
        return (codes[:, None], above), codes

    rows = jax.lax.scan(row, (none, model.above(n)), jax.random.split(key, (height, width)))[1]
    return jnp.moveaxis(rows, 0, 1)
