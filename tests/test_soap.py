import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import soap


def rotated(seed, n):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


def minimized(transform, rate, steps=200):
    """Minimize |A (X - T) B|^2 of badly scaled A, B in rotated bases; give what is left of it."""
    a = jnp.asarray(rotated(0, 6) * np.logspace(0, -1, 6), jnp.float32)
    b = jnp.asarray((rotated(1, 4) * np.logspace(0, -1, 4)).T, jnp.float32)
    target = jnp.asarray(np.random.default_rng(2).normal(size=(6, 4)), jnp.float32)

    def loss(params):
        return jnp.sum((a.T @ (params["x"] - target) @ b.T) ** 2) + jnp.sum((params["v"] - 1) ** 2)

    optimizer = optax.chain(transform, optax.scale_by_learning_rate(optax.cosine_decay_schedule(rate, steps)))
    params = {"x": jnp.zeros((6, 4)), "v": jnp.zeros(3)}

    @jax.jit
    def run(params, state):
        def step(now, _):
            updates, state = optimizer.update(jax.grad(loss)(now[0]), now[1])
            return (optax.apply_updates(now[0], updates), state), None

        return jax.lax.scan(step, (params, state), length=steps)[0][0]

    return float(loss(run(params, optimizer.init(params)))) / float(loss(params))


def test_soap_finds_the_scales_of_a_rotated_problem_that_adam_misses():
    best = [
        min(minimized(transform, rate) for rate in (0.03, 0.1, 0.3))
        for transform in (soap.scale_by_soap(), optax.scale_by_adam())
    ]
    assert best[0] < 0.5 * best[1]


def test_the_first_gradient_moves_nothing_and_later_ones_by_about_one():
    random, transform = np.random.default_rng(0), soap.scale_by_soap()
    state = transform.init([jnp.zeros((5, 3))])
    directions = []
    for _ in range(3):
        g = [jnp.asarray(random.normal(size=(5, 3)), jnp.float32)]
        direction, state = transform.update(g, state)
        directions.append(np.asarray(direction[0]))
    assert not directions[0].any()
    assert all(0.3 < np.sqrt(np.mean(d**2)) < 2 for d in directions[1:])
    assert int(state.step) == 3


def test_the_bases_stay_orthogonal_and_change_every_tenth_step_only():
    random, transform = np.random.default_rng(0), soap.scale_by_soap(every=10)
    params = [jnp.zeros((5, 3))]
    state, bases = transform.init(params), []
    for _ in range(21):
        g = [jnp.asarray(random.normal(size=(5, 3)), jnp.float32)]
        _, state = transform.update(g, state)
        bases.append(np.asarray(state.moments[0].left_basis))
        assert bases[-1].T @ bases[-1] == pytest.approx(np.eye(5), abs=1e-5)
    changed = [i for i in range(1, 21) if not np.array_equal(bases[i], bases[i - 1])]
    assert changed == [10, 20]


def test_vectors_keep_their_shape():
    transform = soap.scale_by_soap()
    grads = {"bias": jnp.ones(4), "matrix": jnp.ones((2, 3))}
    directions, _ = transform.update(grads, transform.init(grads))
    assert {name: d.shape for name, d in directions.items()} == {"bias": (4,), "matrix": (2, 3)}
