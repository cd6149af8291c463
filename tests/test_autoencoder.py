"""Autoencoders of all ways down and up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.decomposition import PCA

from dfm import train
from experiments import datasets, run
from models import autoencoder
from models.layers import convolutional


def draw(*shape):
    return jax.random.uniform(jax.random.key(0), shape)


@pytest.mark.parametrize("latent", [2, 300], ids=["undercomplete", "overcomplete"])
@pytest.mark.parametrize(("down", "up"), [("strided", "nearest"), ("pooled", "transposed")])
def test_any_way_down_and_up_keeps_the_size(down, up, latent):
    config = autoencoder.Config(latent=latent, convolutions=(4, 8), dense=(16,), down=down, up=up)
    images = draw(2, 7, 10, 3)
    model = autoencoder.Model(config, images.shape, rngs=nnx.Rngs(0))
    code, decoded = jax.jit(lambda x: (z := model.encode(x), model.decode(z)))(images)
    assert code.shape == (2, latent)
    assert decoded.shape == images.shape


def layers(down, up):
    """Give an autoencoder's first layer down, and the last up."""
    config = autoencoder.Config(latent=2, convolutions=(4, 8), dense=(), down=down, up=up)
    model = autoencoder.Model(config, (1, 8, 8, 1), rngs=nnx.Rngs(0))
    return model.encoder.convolutions[0], model.decoder.convolutions[-1]


def test_a_strided_convolution_is_linear_and_pooling_prefers_the_larger():
    x = draw(2, 8, 8, 1) - 0.5
    (strided, _), (pooled, _) = layers("strided", "nearest"), layers("pooled", "nearest")
    np.testing.assert_allclose(strided(x) + strided(-x), 0, atol=1e-6)
    assert (pooled(x) + pooled(-x)).min() > 0


def test_nearest_neighbors_keep_a_plain_image_plain_and_transposed_convolutions_do_not():
    """Kernels that overlap unevenly draw a checkerboard (Odena et al., Distill, 2016)."""
    plain = jnp.ones((1, 6, 6, 4))
    (_, nearest), (_, transposed) = layers("strided", "nearest"), layers("strided", "transposed")
    inner = [layer(plain)[:, 2:-2, 2:-2] for layer in (nearest, transposed)]
    assert np.ptp(inner[0]) < 1e-5
    assert np.ptp(inner[1]) > 0.1


def test_pooling_gives_the_largest_of_each_block_at_odd_sides_too():
    x = draw(2, 5, 6, 3) - 2
    wanted = nnx.max_pool(x, (2, 2), (2, 2), padding="SAME")
    np.testing.assert_array_equal(convolutional.pooled(x), wanted)


def test_a_curved_code_keeps_more_than_pca_of_its_size():
    part = datasets.Split(*(values[:500] for values in datasets.load("digits").train))
    model = autoencoder.Model(autoencoder.Config(latent=2, dense=(64,)), part.images.shape, rngs=nnx.Rngs(0))
    settings = train.Config(steps=300, batch=250, learning_rate=1e-2, warmup=20)
    trained = train.fit(model, run.Loss(autoencoder.loss), run.arrays(part), settings)
    pixels = part.images / 255
    made = trained.decode(trained.encode(jnp.asarray(pixels, jnp.float32)))
    pca = PCA(2).fit(flat := pixels.reshape(len(pixels), -1))
    linear = np.mean((pca.inverse_transform(pca.transform(flat)) - flat) ** 2)
    assert np.mean((made - pixels) ** 2) < 0.85 * linear
