"""AdamW along a cosine, by what it makes of given gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfm import optimizers, train

_RANDOM = np.random.default_rng(0)
PARAMS = {
    name: jnp.asarray(_RANDOM.normal(size=shape), jnp.float32)
    for name, shape in {"kernel": (3, 4), "convolution": (2, 2, 3, 1), "bias": (4,), "gain": ()}.items()
}
LEVEL = {"steps": 10**6, "warmup": 0, "learning_rate": 0.1}  # a schedule that stays at its height for long


def changes(gradients, params=PARAMS, **settings):
    """Give what each gradient in turn changes of parameters that are held."""
    optimizer = optimizers.adam(train.Config(**LEVEL | settings))

    def one(state, gradient):
        change, state = optimizer.update(gradient, state, params)
        return state, change

    return jax.jit(lambda g: jax.lax.scan(one, optimizer.init(params), g)[1])(gradients)


def draw(steps):
    """Draw gradients of all parameters."""
    return {
        name: jnp.asarray(_RANDOM.normal(size=(steps, *p.shape)), jnp.float32) for name, p in PARAMS.items()
    }


def close(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


def norms(gradients):
    """Give the norm of the gradient of all parameters, at each step."""
    return np.sqrt(sum(np.sum(g.reshape(len(g), -1) ** 2, axis=1) for g in gradients.values()))


def scaled(gradients, factors):
    return {name: (g.T * factors).T for name, g in gradients.items()}


@pytest.mark.parametrize("b1", [0.0, 0.5, 0.9])
def test_the_direction_is_adam_s_with_the_decay_asked_for(b1):
    gradients = draw(6)
    found = changes(gradients, b1=b1)
    for name, g in gradients.items():
        mean = square = np.zeros(g.shape[1:])
        for t, now in enumerate(np.asarray(g), 1):
            mean, square = b1 * mean + (1 - b1) * now, 0.999 * square + 0.001 * now**2
            wanted = -0.1 * (mean / (1 - b1**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
            np.testing.assert_allclose(found[name][t - 1], wanted, rtol=1e-3)


def test_decay_shrinks_matrices_by_a_share_whatever_the_gradients_and_leaves_vectors_alone():
    gradients = draw(5)
    with_decay, without = (changes(gradients, weight_decay=decay) for decay in (0.3, 0.0))
    shares = {name: 0.03 if p.ndim > 1 else 0.0 for name, p in PARAMS.items()}
    shrunk = {name: jnp.repeat(-share * PARAMS[name][None], 5, 0) for name, share in shares.items()}
    close(jax.tree.map(jnp.subtract, with_decay, without), shrunk, atol=1e-6)


def test_a_gradient_that_is_too_long_counts_as_one_of_the_length_allowed():
    gradients = draw(6)
    short = scaled(gradients, 2 / norms(gradients))  # of all parameters together
    long = scaled(short, np.array([1, 30, 0.5, 4, 1, 0.1]))
    cut = scaled(short, np.array([1, 1, 0.5, 1, 1, 0.1]))
    close(changes(long, clip=2.0), changes(cut), rtol=1e-4)
    assert np.abs(changes(long)["kernel"] - changes(cut)["kernel"]).max() > 0.01


def rates(steps, rate, warmup, name):
    """Read the schedule: for a constant gradient of 1 Adam's direction is 1."""
    ones = {name: jnp.ones((steps + 1, 2, 2)), "other": jnp.ones((steps + 1, 2, 2))}
    settings = {"steps": steps, "warmup": warmup, "learning_rate": 1.0, "latent_rate": 0.0}
    settings["latent_rate" if name == "latents" else "learning_rate"] = rate
    found = changes(ones, {part: jnp.zeros((2, 2)) for part in ones}, **settings)[name]
    return -np.asarray(found)[:, 0, 0]


@pytest.mark.parametrize("name", ["kernel", "latents"])
@pytest.mark.parametrize("warmup", [0, 10, 99])
def test_the_rate_rises_along_a_line_and_falls_along_a_cosine_to_a_hundredth(name, warmup):
    found, rise = rates(40, 0.5, warmup, name), min(warmup, 20)  # of half of all steps at most
    down = (1 + np.cos(np.pi * np.arange(41 - rise) / (40 - rise))) / 2
    np.testing.assert_allclose(found[rise:], 0.005 + 0.495 * down, rtol=1e-3)
    np.testing.assert_allclose(found[:rise], np.linspace(0.005, 0.5, rise + 1)[:-1], rtol=1e-3)
