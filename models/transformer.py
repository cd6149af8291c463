"""Causal Transformer over codes, of a class (Vaswani et al., NIPS 2017; pre-norm as in GPT-2, 2019)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from dfm.batch import Batch
from models.layers.attention import Attention, Cache
from models.layers.mlp import MLP


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        codes: size of the alphabet.
        classes: number of these.
        width: of the tokens; a multiple of `heads`.
        layers: of attention, each with an MLP of four times the width.
        heads: of an attention.
    """

    codes: int = 16
    classes: int = 10
    width: int = 64
    layers: int = 2
    heads: int = 4


class Model(nnx.Module):
    """Own tokens and layers, from codes to log odds of the next."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config, self.grid = config, shape[1:]
        self.places = shape[1] * shape[2]
        self.embed = nnx.Embed(config.codes, config.width, rngs=rngs)
        self.classes = nnx.Embed(config.classes, config.width, rngs=rngs)
        self.positions = nnx.Embed(self.places, config.width, rngs=rngs)
        self.blocks = nnx.List([_Block(config, rngs=rngs) for _ in range(config.layers)])
        self.norm = nnx.LayerNorm(config.width, rngs=rngs)
        self.last = nnx.Linear(config.width, config.codes, rngs=rngs)

    def __call__(self, codes: Int[Array, "b h w"], labels: Int[Array, " b"]) -> Float[Array, "b h w k"]:
        """Give log odds of each code, given those before it in rows; the class is the first token."""
        line = codes.reshape(len(codes), -1)
        tokens = jnp.concatenate([self.classes(labels)[:, None], self.embed(line[:, :-1])], axis=1)
        logits, _ = self.next(tokens, self.cache(len(codes)), 0)
        return logits.reshape(*codes.shape, -1)

    def next(
        self, tokens: Float[Array, "b q n"], caches: Float[Array, "l 2 b t heads d"], at: Int[Array, ""] | int
    ) -> tuple[Float[Array, "b q k"], Float[Array, "l 2 b t heads d"]]:
        """Give log odds of what follows tokens that stand `at` and following, and the next caches."""
        x, kept = tokens + self.positions(at + jnp.arange(tokens.shape[1])), []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block(x, cache, at)
            kept.append(cache)
        return self.last(self.norm(x)), jnp.stack(kept)

    def cache(self, n: int) -> Float[Array, "l 2 n t heads d"]:
        """Give the caches at the first token."""
        width, heads = self.config.width, self.config.heads
        return jnp.zeros((self.config.layers, 2, n, self.places, heads, width // heads))


class _Block(nnx.Module):
    """Add what attention, then an MLP, make of tokens that are normalized first."""

    def __init__(self, config: Config, *, rngs: nnx.Rngs) -> None:
        self.norms = nnx.List([nnx.LayerNorm(config.width, rngs=rngs) for _ in range(2)])
        self.attention = Attention(config.width, config.heads, rngs=rngs)
        self.mlp = MLP((config.width, 4 * config.width, config.width), rngs=rngs)

    def __call__(
        self, x: Float[Array, "b q n"], cache: Cache, at: Int[Array, ""] | int
    ) -> tuple[Float[Array, "b q n"], Cache]:
        seen, cache = self.attention(self.norms[0](x), cache, at)
        x = x + seen
        return x + self.mlp(self.norms[1](x)), cache


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the cross-entropy, in nats a code."""
    logits = model(batch.images, batch.labels)
    value = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, batch.images))
    return value, {"bits_per_code": value / jnp.log(2)}


def sample(
    model: Model, key: PRNGKeyArray, n: int, labels: Int[Array, " n"] | None = None
) -> Int[Array, "n h w"]:
    """Draw codes of classes, by default each in turn, one by one in rows."""
    classes = jnp.arange(n) % model.config.classes if labels is None else labels

    def draw(carry: tuple[Array, Array], given: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        (token, cache), (at, key) = carry, given
        logits, cache = model.next(token, cache, at)
        code = jax.random.categorical(key, logits)
        return (model.embed(code), cache), code[:, 0]

    start = model.classes(classes)[:, None], model.cache(n)
    each = jnp.arange(model.places), jax.random.split(key, model.places)
    return jax.lax.scan(draw, start, each)[1].T.reshape(n, *model.grid)
