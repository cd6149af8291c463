"""The game of generator and discriminator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.layers import adversarial
from models.layers.discriminator import Discriminator

REAL, FAKE = (jax.random.uniform(jax.random.key(seed), (4, 8, 8, 1)) for seed in (0, 1))
OBJECTIVES = ["non_saturating", "hinge", "wasserstein"]


def player():
    return Discriminator(1, (4,), rngs=nnx.Rngs(0))


def gradients(term, objective="non_saturating", penalty="wgan_gp"):
    """Give the gradients of one term in the discriminator and in the generated images."""
    graph, state = nnx.split(player())

    def value(state, fake):
        model = nnx.merge(graph, state)
        terms = adversarial.terms(model, REAL, fake, jax.random.key(2), objective, penalty)
        return getattr(terms, term)

    slopes = jax.jit(jax.grad(value, argnums=(0, 1)))(state, FAKE)
    return [sum(float(jnp.abs(leaf).sum()) for leaf in jax.tree.leaves(part)) for part in slopes]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_term_moves_its_own_player_alone(objective):
    of_discriminator, of_fake = gradients("generator", objective)
    assert of_discriminator == 0 < of_fake
    for term in ("discriminator", "penalty"):
        of_discriminator, of_fake = gradients(term, objective)
        assert of_discriminator > 0 == of_fake


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_players_want_opposite_logits(objective):
    of_generator, of_discriminator = (
        adversarial._OF_GENERATOR[objective],
        adversarial._OF_DISCRIMINATOR[objective],
    )
    assert jax.grad(of_generator)(0.0) < 0
    assert jax.grad(of_discriminator, argnums=(0, 1))(0.0, 0.0) == (
        pytest.approx(jax.grad(of_generator)(0.0)),
        pytest.approx(-jax.grad(of_generator)(0.0)),
    )


def test_at_the_optimal_discriminator_the_loss_is_the_jensen_shannon_divergence():
    """With logits log p/q, minus the loss is 2 JS(p, q) - log 4 (Goodfellow et al., NIPS 2014, theorem 1)."""
    p, q = jnp.array([0.5, 0.3, 0.2]), jnp.array([0.1, 0.3, 0.6])
    logits = jnp.log(p / q)
    loss = adversarial._OF_DISCRIMINATOR["non_saturating"]
    expected = jnp.sum(p * loss(logits, -jnp.inf)) + jnp.sum(q * loss(jnp.inf, logits))
    middle = (p + q) / 2
    divergence = jnp.sum(p * jnp.log(p / middle) + q * jnp.log(q / middle)) / 2
    np.testing.assert_allclose(-expected, 2 * divergence - jnp.log(4), rtol=1e-5)


def test_a_penalty_looks_where_it_says():
    key, model = jax.random.key(0), player()
    on_lines = adversarial.between(REAL, FAKE, key)
    shares = (on_lines - REAL) / (FAKE - REAL)
    np.testing.assert_allclose(shares, jnp.broadcast_to(shares[:, :1, :1], shares.shape), atol=0.02)
    assert 0 <= shares.min() < shares.max() <= 1

    @jax.jit
    def both():
        found = [
            adversarial.terms(model, REAL, FAKE, key, "hinge", name).penalty for name in ("r1", "wgan_gp")
        ]
        slopes = [adversarial.slope(model, images) for images in (REAL, on_lines)]
        return jnp.stack(found), jnp.stack([jnp.mean(slopes[0] ** 2), jnp.mean((slopes[1] - 1) ** 2)])

    np.testing.assert_allclose(*both(), rtol=1e-5)


def test_the_slope_is_that_of_finite_differences():
    model = player()
    gradient = jax.jit(jax.grad(lambda x: jnp.mean(model(x))))(REAL[:1])
    length = jax.jit(lambda x: adversarial.slope(model, x))(REAL[:1])
    along = 1e-2 * gradient / length[0]
    rise = jnp.mean(model(REAL[:1] + along)) - jnp.mean(model(REAL[:1] - along))
    np.testing.assert_allclose(rise / 2e-2, length[0], rtol=0.02)
