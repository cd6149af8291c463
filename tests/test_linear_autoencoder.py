"""A linear autoencoder is PCA."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from scipy import linalg
from sklearn.decomposition import PCA

from dfm import train
from dfm.batch import Batch
from experiments import datasets
from models import linear_autoencoder


def test_the_decoder_spans_the_principal_subspace():
    images = jnp.asarray(datasets.load("digits").train.images[:500] / 255, jnp.float32)
    places = jnp.arange(len(images))
    model = linear_autoencoder.Model(linear_autoencoder.Config(latent=4), images.shape, rngs=nnx.Rngs(0))
    settings = train.Config(steps=800, batch=len(images), learning_rate=0.1, warmup=20)
    model = train.fit(model, linear_autoencoder.loss, Batch(images, 0 * places, places), settings)
    pixels = np.asarray(images.reshape(len(images), -1))
    pca = PCA(4).fit(pixels)
    angles = linalg.subspace_angles(np.asarray(model.decoder.kernel[...]).T, pca.components_.T)
    assert np.rad2deg(angles.max()) < 1
    projected = pca.inverse_transform(pca.transform(pixels))
    np.testing.assert_allclose(model(images).reshape(projected.shape), projected, atol=0.04)


def test_the_loss_is_of_what_is_not_clipped():
    model = linear_autoencoder.Model(linear_autoencoder.Config(latent=2), (1, 4, 4, 1), rngs=nnx.Rngs(0))
    model.decoder.bias[...] += 3
    images = jnp.full((2, 4, 4, 1), 0.5)
    value, _ = linear_autoencoder.loss(model, Batch(images, *2 * [jnp.arange(2)]), jax.random.key(0))
    assert model.decode(model.encode(images)).max() == 1
    assert value > 1
