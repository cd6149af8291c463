"""The patch discriminator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.layers.discriminator import Discriminator


@pytest.mark.parametrize(("size", "patches"), [((16, 16), (4, 4)), ((7, 10), (2, 3))])
def test_there_is_a_logit_for_each_patch(size, patches):
    model = Discriminator(3, (4, 8), rngs=nnx.Rngs(0))
    assert jax.eval_shape(model, jnp.zeros((2, *size, 3))).shape == (2, *patches)


def test_a_logit_sees_its_patch_alone():
    """After two strided convolutions of 4 and one of 3 it sees 18 pixels: those from 4p - 7 to 4p + 10."""
    model = Discriminator(1, (4, 8), rngs=nnx.Rngs(0))
    slope = jax.jit(jax.grad(lambda x: model(x)[0, 4, 4]))(jnp.ones((1, 40, 40, 1)))[0, ..., 0]
    seen = np.flatnonzero(np.abs(slope).sum(0))
    np.testing.assert_array_equal([seen.min(), seen.max()], [9, 26])
