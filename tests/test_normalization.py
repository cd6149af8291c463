import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from models.layers import normalization


def test_silu_is_that_of_the_group_norm():
    x = 3 + jax.random.normal(jax.random.key(0), (2, 6, 5, 12))
    norm = normalization.group(12, 8, rngs=nnx.Rngs(0))
    assert norm.num_groups == 4
    norm.scale[...], norm.bias[...] = jnp.linspace(0.5, 2, 12), jnp.linspace(-1, 1, 12)

    def ours(x):
        return normalization.silu(norm, x)

    def wanted(x):
        return jax.nn.silu(norm(x))

    np.testing.assert_allclose(ours(x), wanted(x), rtol=1e-4, atol=1e-5)
    of_sines = [jax.grad(lambda x, f=f: jnp.sum(jnp.sin(f(x))))(x) for f in (ours, wanted)]
    np.testing.assert_allclose(*of_sines, rtol=1e-4, atol=1e-5)
