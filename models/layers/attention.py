"""Let each place of a sequence look at those before, with a cache of what they show."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

Cache = Float[Array, "2 b t heads d"]


class Attention(nnx.Module):
    """Attend to the places up to one's own, with several heads (Vaswani et al., NIPS 2017, 3.2).

    Raises:
        ValueError: `width` does not split over the heads.
    """

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs) -> None:
        if width % heads:
            raise ValueError(f"a width of {width} does not split over {heads} heads; choose a multiple")
        self.heads = heads
        self.project = nnx.Linear(width, 3 * width, use_bias=False, rngs=rngs)
        self.out = nnx.Linear(width, width, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b q n"], cache: Cache, at: Int[Array, ""] | int
    ) -> tuple[Float[Array, "b q n"], Cache]:
        """Attend from the places `at` and following; those before lie in the cache, where these join them."""
        b, q, n = x.shape
        shown = jnp.moveaxis(self.project(x).reshape(b, q, 3, self.heads, -1), 2, 0)
        cache = jax.lax.dynamic_update_slice_in_dim(cache, shown[1:], at, axis=2)
        seen = jnp.arange(cache.shape[2]) <= at + jnp.arange(q)[:, None]
        y = jax.nn.dot_product_attention(shown[0], cache[0], cache[1], mask=seen[None, None])
        return self.out(y.reshape(b, q, n)), cache
