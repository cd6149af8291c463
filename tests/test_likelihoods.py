"""Bounds of the log-likelihood, on a linear model of known evidence, and of trainings, as a command."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import stats

from dfm.batch import Batch
from experiments import likelihoods, rows
from experiments import train as training
from models import conditional_vae, hierarchical_vae, vae
from models.layers import likelihood, normal

ROOT = Path(__file__).parent.parent
FACTORS = np.array([[0.5, 0.1], [0.2, -0.4], [-0.3, 0.6], [0.1, 0.2]])
DEVIATION = 0.7
IMAGES = np.random.default_rng(0).normal(size=(30, 2, 2, 1)).astype(np.float32)
LABELS = np.zeros(30, int)


class Linear(nnx.Module):
    """Be x = A z + noise, with a posterior that is off by `error` in means and somewhat too wide."""

    def __init__(self, error):
        self.error = error

    def log_weight(self, batch, key):
        factors = jnp.asarray(FACTORS)
        x = batch.images.reshape(len(batch.images), -1)
        precision = jnp.eye(2) + factors.T @ factors / DEVIATION**2
        covariance = jnp.linalg.inv(precision)
        mean = x @ factors @ covariance / DEVIATION**2 + self.error
        q = normal.Normal(mean, jnp.broadcast_to(0.5 * jnp.log(1.3 * jnp.diag(covariance)), mean.shape))
        z = normal.sample(q, key)
        fit = likelihood.gaussian(
            (z @ factors.T).reshape(batch.images.shape), jnp.log(DEVIATION), batch.images
        )
        return fit + normal.log_ratio(normal.standard(z), q, z)


def evidence():
    covariance = FACTORS @ FACTORS.T + DEVIATION**2 * np.eye(4)
    return stats.multivariate_normal(np.zeros(4), covariance).logpdf(IMAGES.reshape(30, -1)).mean()


def test_the_bound_of_many_samples_arrives_at_the_evidence():
    _, weighted = likelihoods.bounds(Linear(0.3), IMAGES, LABELS, 5000, 0).mean(0)
    np.testing.assert_allclose(weighted, evidence(), atol=0.01)


def test_the_bound_grows_with_the_samples_from_the_elbo_on():
    found = [likelihoods.bounds(Linear(0.5), IMAGES, LABELS, k, 0) for k in (1, 5, 50, 1000)]
    np.testing.assert_allclose(found[0][:, 0], found[0][:, 1], rtol=1e-5)
    assert all((one[:, 1] >= one[:, 0] - 1e-4).all() for one in found)
    means = [one[:, 1].mean() for one in found]
    assert means == sorted(means)
    assert found[-1][:, 0].mean() < means[1] < evidence() + 0.01


@pytest.mark.parametrize("module", [vae, conditional_vae, hierarchical_vae], ids=lambda m: m.__name__)
def test_log_weights_have_the_mean_that_the_loss_bounds(module):
    config = module.Config(dense=(16,), likelihood="laplace", deviation="fixed", fixed=0.5)
    model = module.Model(config, (8, 4, 4, 1), rngs=nnx.Rngs(0))
    batch = Batch(jax.random.uniform(jax.random.key(0), (8, 4, 4, 1)), jnp.arange(8), jnp.arange(8))

    @jax.jit
    def both(keys):
        weights = jax.vmap(lambda key: model.log_weight(batch, key).mean())(keys)
        return weights, jax.vmap(lambda key: module.loss(model, batch, key)[1]["elbo_nats"])(keys)

    weights, bounds = both(jax.random.split(jax.random.key(1), 500))
    np.testing.assert_allclose(weights.mean(), bounds.mean(), atol=5 * float(weights.std()) / 500**0.5)


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_a_settled_deviation_is_the_best(kind):
    model = vae.Model(vae.Config(dense=(16,), likelihood=kind), (60, 4, 4, 1), rngs=nnx.Rngs(0))
    images = np.random.default_rng(1).uniform(size=(60, 4, 4, 1)).astype(np.float32)
    labels = np.zeros(60, int)
    likelihoods.settle(model, images, labels, 0)
    settled = float(jnp.exp(model.likelihood.log_deviation[...]))

    def elbo(deviation):
        model.likelihood = likelihood.Likelihood(kind, "fixed", deviation)
        return likelihoods.bounds(model, images, labels, 20, 1)[:, 0].mean()

    tried = settled * np.array([0.8, 0.95, 1, 1.05, 1.25])
    assert np.argmax([elbo(deviation) for deviation in tried]) == 2


def test_bits_are_those_of_the_uniform_distribution():
    assert likelihoods.bits(0.0, 10, "gaussian") == 8  # a density of 1 over [0, 1]
    assert likelihoods.bits(-10 * np.log(2), 10, "bernoulli") == pytest.approx(1)


def test_noise_stays_within_a_level_and_black_and_white_have_the_mean():
    images, random = np.arange(256, dtype=np.uint8).repeat(40).reshape(-1, 1, 1, 1), np.random.default_rng(0)
    noisy = likelihoods.dequantized(images, random)
    np.testing.assert_array_equal(np.floor(noisy * 256), images)
    binary = likelihoods.binarized(images, random)
    assert set(np.unique(binary)) == {0, 1}
    np.testing.assert_allclose(binary.mean(), 0.5, atol=0.02)


@pytest.fixture(scope="module", params=["bernoulli", "gaussian"])
def place(request, tmp_path_factory):
    """Train one for a few steps."""
    place = tmp_path_factory.mktemp(request.param) / "vae"
    short = ["data=digits", "train.steps=10", "train.batch=40", "log_every=5", "save_every=10"]
    settings = [f"settings.likelihood={request.param}", "settings.dense=[16]", "settings.latent=2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "show", lambda *_: None)
        training.main([str(ROOT / "configs" / "vae_mnist.toml"), "--run", str(place), *settings, *short])
    return place


def test_a_command_stores_both_bounds_with_the_protocol(place, tmp_path, capsys):
    file = tmp_path / "rows.jsonl"
    asked = ["--samples", "5", "--images", "40", "--results", str(file)]
    likelihoods.main([str(place), *asked])
    (row,) = rows.read(file)
    assert rows.read(place / "likelihoods.jsonl") == [row]
    kind, values, deviation = (row["protocol"][key] for key in ("likelihood", "values", "deviation"))
    assert (values, deviation) == {
        "bernoulli": ("binarized", "none"),
        "gaussian": ("dequantized", "best for 1500 training images"),
    }[kind]
    assert row["elbo_nats"] <= row["iw_nats"]
    assert row["iw_bits_per_dimension"] == pytest.approx(likelihoods.bits(row["iw_nats"], 64, kind), rel=1e-4)
    assert row["protocol"]["samples"] == 5
    assert f"| vae | IW, 5 samples | {row['iw_nats']:.2f} |" in capsys.readouterr().out


def test_what_cannot_be_bounded_is_told(place, tmp_path):
    with pytest.raises(SystemExit, match="choose 1 or more"):
        likelihoods.main([str(place), "--samples", "0"])
    with pytest.raises(SystemExit, match="is absent"):
        likelihoods.main([str(tmp_path)])
