"""The vector-quantized autoencoder: what its codes are, and whom its loss reaches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dfm.batch import Batch
from models import vq_vae
from models.layers import errors, likelihood

IMAGES = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 7, 10, 1)), jnp.float32)
BATCH = Batch(IMAGES, jnp.arange(3), jnp.arange(3))


def make(**settings):
    config = vq_vae.Config(size=8, latent=3, convolutions=(4, 6), **settings)
    return vq_vae.Model(config, IMAGES.shape, rngs=nnx.Rngs(0))


def step(model):
    """Give the loss, metrics, slopes, and the model after."""
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    @jax.jit
    def evaluate(params):
        def objective(params):
            copy = nnx.merge(graph, params, rest, copy=True)
            value, metrics = vq_vae.loss(copy, BATCH, jax.random.key(0))
            return value, (metrics, nnx.state(copy))

        return jax.value_and_grad(objective, has_aux=True)(params)

    (value, (metrics, after)), slopes = evaluate(params)
    return value, metrics, slopes, nnx.merge(graph, after)


@pytest.mark.parametrize("levels", [1, 2])
def test_the_loss_judges_what_codes_decode_to(levels):
    model = make(levels=levels)
    codes, decoded = jax.jit(lambda x: (z := model.encode(x), model.decode(z)))(IMAGES)
    assert (codes.shape, codes.dtype) == ((3, 2, 3 * levels), jnp.int32)
    psnr = step(model)[1]["psnr_db"]
    np.testing.assert_allclose(psnr, errors.psnr(errors.mse(decoded, IMAGES)), rtol=1e-5)


def test_codes_of_a_cell_lie_side_by_side():
    model = make(levels=2)
    codes = model.encode(IMAGES)
    np.testing.assert_array_equal(
        codes[:, :, 2::2], model.quantizer(model.encoder(IMAGES)).codes[:, :, 1:, 0]
    )


def test_the_encoder_learns_as_if_it_gave_the_quantized_vectors():
    model = make(beta=0.0)
    z = model.encoder(IMAGES)
    quantized = model.quantizer(z).chosen.sum(-2)

    def misfit(shift):
        return -likelihood.at_best("gaussian", model.mean(quantized + shift), IMAGES) / IMAGES[0].size

    wanted = jax.jit(jax.grad(misfit))(jnp.zeros(3))
    np.testing.assert_allclose(step(model)[2].encoder.last.bias[...], wanted, rtol=1e-4)


@pytest.mark.parametrize(("learning", "trained"), [("average", False), ("gradient", True)])
def test_a_codebook_is_a_parameter_where_it_learns_by_gradient(learning, trained):
    model = make(learning=learning)
    before = model.quantizer.codebook[...]
    _, _, slopes, after = step(model)
    assert ("quantizer" in slopes) == trained
    assert (after.quantizer.codebook[...] == before).all() == trained
