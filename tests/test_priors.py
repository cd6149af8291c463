import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from flax import nnx
from sklearn.datasets import make_moons
from sklearn.mixture import GaussianMixture

from dfm import registry
from models import priors
from models.priors import diffusion, flow, gaussian, mixture

NAMES = registry.names(priors)
WITH_DENSITY = [name for name in NAMES if hasattr(registry.get(priors, name), "log_density")]
QUICK = {
    "mixture": mixture.Config(components=3),
    "flow": flow.Config(layers=4, width=32, steps=100),
    "diffusion": diffusion.Config(width=32, blocks=1, steps=100),
}
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def latents():
    """Give 500 points of a Gaussian of three dimensions, away from the origin."""
    mixing = np.array([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [0.3, -0.2, 1.0]])
    points = np.random.default_rng(0).normal(size=(500, 3)) @ mixing.T + [3.0, 0.0, -1.0]
    return points.astype(np.float32)


@pytest.fixture(scope="module")
def moons():
    points, _ = make_moons(500, noise=0.1, random_state=0)
    return points.astype(np.float32)


@pytest.fixture
def bent():
    """Give a flow of five dimensions that is not the identity."""
    graph, params, rest = nnx.split(flow.Flow(5, 3, 16, rngs=nnx.Rngs(0)), nnx.Param, ...)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(KEY, len(leaves))
    moved = [a + 0.3 * jax.random.normal(k, a.shape) for a, k in zip(leaves, keys, strict=True)]
    return nnx.merge(graph, jax.tree.unflatten(tree, moved), rest)


def fit(name, latents, **options):
    module = registry.get(priors, name)
    return module, module.fit(QUICK.get(name, module.Config()), latents, seed=0, **options)


@pytest.mark.parametrize("name", NAMES)
def test_samples_have_the_moments_of_the_latents(name, latents):
    module, prior = fit(name, latents)
    drawn = module.sample(prior, KEY, 4000)
    assert drawn.shape == (4000, 3)
    mean, covariance = latents.mean(0), np.cov(latents.T)
    if name == "normal":
        mean, covariance = np.zeros(3), np.eye(3)
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.25)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.6)


@pytest.mark.parametrize("name", NAMES)
def test_the_key_decides_the_samples(name, latents):
    module, prior = fit(name, latents)
    first = module.sample(prior, KEY, 5)
    np.testing.assert_array_equal(first, module.sample(prior, KEY, 5))
    assert not np.array_equal(first, module.sample(prior, jax.random.key(1), 5))


@pytest.mark.parametrize("name", NAMES)
def test_few_latents_with_one_that_never_changes_will_do(name, latents):
    few = latents[:20].copy()
    few[:, 1] = 7
    module, prior = fit(name, few)
    assert np.isfinite(module.sample(prior, KEY, 100)).all()


@pytest.mark.parametrize("name", ["mixture", "flow", "diffusion"])
def test_fits_tell_how_far_they_are(name, latents):
    told = []
    fit(name, latents, notify=lambda share, text: told.append((share, text)))
    assert told[-1][0] == 1.0
    assert told[-1][1]


@pytest.mark.parametrize("name", WITH_DENSITY)
def test_densities_integrate_to_1(name, moons):
    module, prior = fit(name, moons)
    axis = np.linspace(-7, 7, 500)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    density = np.exp(module.log_density(prior, jnp.asarray(grid, jnp.float32)))
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.array([[0.0, 1.0]] * 30 + [[0.0, np.nan]]), "latents 30 are not finite; train"),
        (np.zeros((0, 2)), "there are 0 latents where .* needed; give more"),
        (np.zeros((30, 2, 2)), r"latents are of shape \(30, 2, 2\); reshape"),
    ],
)
def test_wrong_latents_are_refused(name, wrong, message):
    with pytest.raises(ValueError, match=message):
        fit(name, wrong.astype(np.float32))


def test_a_gaussian_agrees_with_scipy(latents):
    prior = gaussian.fit(gaussian.Config(), latents, seed=0)
    oracle = scipy.stats.multivariate_normal(latents.mean(0), np.cov(latents.T))
    np.testing.assert_allclose(gaussian.log_density(prior, latents), oracle.logpdf(latents), rtol=1e-3)


def test_color_inverts_whiten(latents):
    prior = gaussian.fit(gaussian.Config(), latents, seed=0)
    white = gaussian.whiten(prior, latents)
    np.testing.assert_allclose(np.cov(white.T), np.eye(3), atol=1e-3)
    np.testing.assert_allclose(gaussian.color(prior, white), latents, atol=1e-4)


def test_a_mixture_agrees_with_sklearn(moons):
    prior = mixture.fit(mixture.Config(components=4), moons, seed=0)
    ridge = mixture.Config().ridge * moons.astype(np.float64).var(0).mean()
    oracle = GaussianMixture(4, reg_covar=ridge, random_state=0).fit(moons.astype(np.float64))
    np.testing.assert_allclose(
        mixture.log_density(prior, moons), oracle.score_samples(moons), rtol=1e-3, atol=1e-3
    )


def test_a_mixture_needs_a_latent_a_component(moons):
    with pytest.raises(ValueError, match="there are 9 latents where 10 are needed"):
        mixture.fit(mixture.Config(), moons[:9], seed=0)


def test_a_flow_is_inverted(bent):
    x = jax.random.normal(KEY, (50, 5))
    y, _ = bent.forward(x)
    assert np.abs(y - x).max() > 0.5
    np.testing.assert_allclose(bent.inverse(y), x, atol=1e-4)


def test_the_log_determinant_is_that_of_the_jacobian(bent):
    x = jax.random.normal(KEY, (10, 5))
    jacobians = jax.vmap(jax.jacfwd(lambda one: bent.forward(one[None])[0][0]))(x)
    np.testing.assert_allclose(bent.forward(x)[1], np.linalg.slogdet(jacobians)[1], atol=1e-4)


def test_a_flow_of_one_dimension_is_refused():
    with pytest.raises(ValueError, match="a flow couples two numbers at least"):
        flow.fit(flow.Config(), np.zeros((9, 1), np.float32), seed=0)


def test_a_flow_fits_moons_better_than_one_gaussian_does(moons):
    seen, held_out = moons[:400], moons[400:]
    one = gaussian.fit(gaussian.Config(), seen, seed=0)
    many = flow.fit(flow.Config(layers=6, width=32, epochs=300, steps=400), seen, seed=0)
    assert flow.log_density(many, held_out).mean() > gaussian.log_density(one, held_out).mean() + 0.3


def test_a_flow_fits_latents_with_the_noise_that_widens_them(latents):
    """Noise of the deviation s makes variances 1 + s^2 times those of the latents, along all of them."""
    config = flow.Config(
        layers=4, width=8, noise=1.5 * 500 ** (1 / 3), epochs=100, steps=100, learning_rate=1e-2
    )
    prior = flow.fit(config, latents, seed=0)
    drawn = jax.jit(flow.sample, static_argnums=2)(prior, KEY, 4000)
    np.testing.assert_allclose(drawn.std(0) / latents.std(0), (1 + 1.5**2) ** 0.5, rtol=0.1)


class Exact(nnx.Module):
    """Give the velocity of independent normal numbers of one deviation."""

    def __init__(self, deviation):
        self.deviation = deviation

    def __call__(self, x, t):
        cos, sin = jnp.cos(jnp.pi / 2 * t[:, None]), jnp.sin(jnp.pi / 2 * t[:, None])
        return x * sin * cos * (1 - self.deviation**2) / (self.deviation**2 * cos**2 + sin**2)


def test_the_error_of_steps_of_diffusion_falls_with_their_square():
    """The exact velocity leads from noise to the deviation times it."""
    prior, noise = diffusion.Prior(jnp.zeros(2), jnp.ones(2), Exact(0.4)), jax.random.normal(KEY, (5, 2))
    errors = [jnp.abs(diffusion.sample(prior, KEY, 5, steps) - 0.4 * noise).max() for steps in (20, 40)]
    assert errors[1] < 0.3 * errors[0] < 0.01


def test_diffusion_samples_from_averaged_parameters(latents):
    def last(average):
        config = diffusion.Config(width=8, blocks=0, steps=30, average=average)
        return diffusion.fit(config, latents, seed=0).network.last.kernel[...]

    now, averaged = last(0.0), last(0.995)  # from zeros on
    assert 0 < jnp.linalg.norm(averaged) < 0.99 * jnp.linalg.norm(now)


def test_diffusion_without_training_draws_each_dimension_apart():
    network = diffusion.Network(2, diffusion.Config(width=8, blocks=1), rngs=nnx.Rngs(0))
    prior = diffusion.Prior(jnp.array([1.0, -2.0]), jnp.array([3.0, 0.5]), network)
    drawn = diffusion.sample(prior, KEY, 10)
    np.testing.assert_allclose(
        drawn, prior.mean + prior.deviation * jax.random.normal(KEY, (10, 2)), atol=1e-5
    )


def test_diffusion_learns_a_ring_that_a_gaussian_does_not():
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 1000)
    ring = np.stack([np.cos(angles), np.sin(angles)], -1).astype(np.float32)

    def distance(drawn):
        return np.abs(np.linalg.norm(drawn, axis=-1) - 1).mean()

    one = gaussian.fit(gaussian.Config(), ring, seed=0)
    prior = diffusion.fit(diffusion.Config(width=64, blocks=2, steps=600, learning_rate=3e-3), ring, seed=0)
    assert distance(diffusion.sample(prior, KEY, 1000)) < 0.4 * distance(gaussian.sample(one, KEY, 1000))
