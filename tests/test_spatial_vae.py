"""The fully convolutional autoencoder: sizes, and what its parts need."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dfm.batch import Batch
from models import spatial_vae
from models.layers import lpips
from tests.test_lpips import arrays


def make(shape=(8, 8, 1), **settings):
    config = spatial_vae.Config(**{"widths": (4, 4, 8, 8), **settings})
    return spatial_vae.Model(config, (4, *shape), rngs=nnx.Rngs(0))


def test_any_size_becomes_a_grid_of_an_eighth_rounded_up_and_comes_back(monkeypatch):
    model = make()
    for network in (model.encoder, model.decoder):  # trace each padded size once
        traced = jax.jit(network.__call__)
        monkeypatch.setattr(type(network), "__call__", lambda _, x, traced=traced: traced(x))
    for side in range(8, 257):
        z = jax.eval_shape(model.encode, jax.ShapeDtypeStruct((1, side, side, 1), float))
        assert z.shape == (1, -(-side // 8), -(-side // 8), 4)
        x = jax.eval_shape(lambda z, size=(side, side): model.decode(z, size=size), z)
        assert x.shape == (1, side, side, 1)


@pytest.mark.parametrize(("widths", "grid"), [((4,), (20, 12)), ((4, 4), (10, 6)), ((4, 4, 4, 4, 4), (2, 1))])
def test_each_level_halves_once(widths, grid):
    model = make((20, 12, 3), widths=widths)
    assert jax.eval_shape(model.encode, jax.ShapeDtypeStruct((1, 20, 12, 3), float)).shape == (1, *grid, 4)
    assert model.grid == grid


def gradient(model):
    """Give the norm of the gradient of each parameter, and the metrics."""
    images = jax.random.uniform(jax.random.key(0), (4, 8, 8, 1))
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def value(params):
        batch = Batch(images, jnp.zeros(4, int), jnp.arange(4))
        return spatial_vae.loss(nnx.merge(graph, params, rest), batch, jax.random.key(1))

    slopes, metrics = jax.jit(jax.grad(value, has_aux=True))(params)
    return [float(jnp.abs(leaf).sum()) for leaf in jax.tree.leaves(slopes)], metrics


def test_a_part_exists_only_where_it_has_a_weight(monkeypatch):
    monkeypatch.setattr(lpips, "load", arrays)
    plain = make(widths=(8, 16))
    assert plain.lpips is plain.discriminator is None
    full = make(widths=(8, 16), perceptual=1.0, adversarial=0.1, reconstruction="l2")
    slopes, metrics = gradient(full)
    assert min(slopes) > 0
    assert set(metrics) == {"psnr_db", "kl_nats", "lpips", "generator", "discriminator"}
    trained, judged = (jax.tree.leaves(nnx.state(m, nnx.Param)) for m in (plain, full))
    assert len(judged) - len(trained) == 5  # the discriminator's: LPIPS has no parameters


def test_each_judge_adds_what_it_tells_at_its_weight(monkeypatch):
    monkeypatch.setattr(lpips, "load", arrays)
    images = jax.random.uniform(jax.random.key(0), (4, 8, 8, 1))
    batch = Batch(images, jnp.zeros(4, int), jnp.arange(4))
    alone, judged = (
        make(widths=(4,), **weights) for weights in ({}, {"perceptual": 0.5, "adversarial": 4.0})
    )
    plain, full = jax.jit(lambda key: [spatial_vae.loss(m, batch, key) for m in (alone, judged)])(
        jax.random.key(1)
    )
    adds = 0.5 * full[1]["lpips"], 4 * full[1]["generator"], full[1]["discriminator"]
    assert min(abs(float(add)) for add in adds) > 1e-2
    np.testing.assert_allclose(full[0] - plain[0], sum(adds), rtol=1e-4)


def test_an_l1_loss_counts_absolute_differences_and_an_l2_loss_squares():
    images = jax.random.uniform(jax.random.key(0), (4, 8, 8, 1))
    batch = Batch(images, jnp.zeros(4, int), jnp.arange(4))
    l1, l2 = (
        jax.jit(
            lambda kind=kind: spatial_vae.loss(make(reconstruction=kind, beta=0.0), batch, jax.random.key(1))
        )()
        for kind in ("l1", "l2")
    )
    np.testing.assert_allclose(l2[0], 10 ** (-l2[1]["psnr_db"] / 10), rtol=1e-4)
    assert l2[0] < l1[0] < l2[0] ** 0.5
