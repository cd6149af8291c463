"""The loop of trainings: what a step sees, and what stays the same however it is run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dfm import optimizers, parallel, train

_RANDOM = np.random.default_rng(0)
_DATA = {"x": _RANDOM.normal(size=(50, 3)).astype(np.float32), "i": np.arange(50)}


class Line(nnx.Module):
    """Own a line with batch statistics, and a number for each example."""

    def __init__(self, *, rngs):
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.dense = nnx.Linear(3, 1, rngs=rngs)
        self.latents = nnx.Param(jnp.zeros((50, 1)))

    def __call__(self, x, i):
        return self.dense(self.norm(x)) + self.latents[...][i]


def loss(model, batch, key):
    wanted = batch["x"].sum(1, keepdims=True) + 0.1 * jax.random.normal(key, (len(batch["x"]), 1))
    mse = jnp.mean((model(batch["x"], batch["i"]) - wanted) ** 2)
    return mse, {"twice": 2 * mse}


CONFIG = train.Config(
    steps=40, batch=8, learning_rate=1e-2, latent_rate=1e-2, average=0.9, clip=1.0, weight_decay=0.1
)


def losses(config=CONFIG, calls=(40,), mesh=None, loss=loss):
    task, state = train.start(Line(rngs=nnx.Rngs(0)), loss, config, mesh)
    data, found = parallel.replicate(_DATA, task.mesh), []
    for steps in calls:
        state, metrics = train.advance(task, state, data, steps)
        found.append(metrics["loss"])
    return np.concatenate(found), state


def same(a, b):
    return all(jax.tree.leaves(jax.tree.map(lambda x, y: bool((np.asarray(x) == np.asarray(y)).all()), a, b)))


def test_calls_of_any_length_come_to_the_same_bits():
    one, many = losses(), losses(calls=(3, 17, 20))
    np.testing.assert_array_equal(one[0], many[0])
    assert same(one[1], many[1])


def test_eight_devices_give_the_losses_of_one():
    one, eight = losses()[0], losses(mesh=parallel.mesh())[0]
    np.testing.assert_allclose(one, eight, rtol=1e-5)


def test_the_loss_falls():
    found, _ = losses(train.Config(steps=400, batch=10, learning_rate=3e-2), (400,))
    assert found[-20:].mean() < 0.1 * found[:5].mean()


def test_an_epoch_takes_each_example_once_and_every_epoch_in_another_order():
    key = jax.random.key_data(jax.random.key(0))

    def order(step, steps):
        state = train.State(jnp.asarray(step), key, *[None] * 4)
        return np.asarray(train._order(state, 50, 10, steps))

    epochs = order(0, 15).reshape(3, -1)
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    np.testing.assert_array_equal(np.concatenate([order(0, 7), order(7, 8)]), order(0, 15))


def test_another_seed_takes_examples_in_another_order():
    other = train.Config(steps=40, batch=8, learning_rate=1e-2, seed=1)
    assert (losses(other)[0] != losses(train.Config(steps=40, batch=8, learning_rate=1e-2))[0]).any()


def test_the_average_follows_the_parameters():
    def far(average):
        config = train.Config(steps=40, batch=8, learning_rate=1e-2, average=average)
        _, state = losses(config)
        return float(
            jnp.abs(state.average["dense"]["kernel"][...] - state.params["dense"]["kernel"][...]).max()
        )

    assert 0 < far(0.5) < far(0.9)


def test_batch_statistics_are_carried_and_the_model_is_left_alone():
    model = Line(rngs=nnx.Rngs(0))
    trained = train.fit(model, loss, _DATA, CONFIG)
    assert (trained.norm.mean[...] != 0).all()
    assert (model.norm.mean[...] == 0).all()
    assert (trained.dense.kernel[...] != model.dense.kernel[...]).any()


def test_a_loss_that_is_not_finite_is_told_with_its_step():
    def broken(model, batch, key):
        value, metrics = loss(model, batch, key)
        return jnp.where(jnp.any(batch["i"] == 7), jnp.nan, value), metrics

    with pytest.raises(
        FloatingPointError, match=r"not finite at step \d+ \(loss nan, twice .*lower learning_rate"
    ):
        train.fit(Line(rngs=nnx.Rngs(0)), broken, _DATA, CONFIG)


@pytest.mark.parametrize(
    ("config", "mesh", "said"),
    [
        (train.Config(steps=1, batch=12), True, "12 does not split over 8 devices"),
        (train.Config(steps=1, batch=64), False, "50 examples for a batch of 64"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(config, mesh, said):
    with pytest.raises(ValueError, match=said):
        losses(config, (1,), parallel.mesh() if mesh else None)


def test_fit_tells_how_far_it_is():
    told = []
    train.fit(
        Line(rngs=nnx.Rngs(0)), loss, _DATA, train.Config(steps=60, batch=8), notify=lambda *x: told.append(x)
    )
    assert [fraction for fraction, _ in told] == [50 / 60, 1.0]
    assert all(text.startswith("loss ") for _, text in told)


def test_rows_without_gradient_neither_move_nor_age():
    rows = {"latents": jnp.asarray(_RANDOM.normal(size=(4, 3)))}
    optimizer = optimizers.rows_adam()
    state = optimizer.init(rows)
    gradients = _RANDOM.normal(size=(6, 4, 3)) * (
        np.arange(6)[:, None, None] % np.array([1, 2, 3, 9])[:, None] == 0
    )
    mean, square, seen = np.zeros((4, 3)), np.zeros((4, 3)), np.zeros(4)
    for g in gradients:
        step, state = optimizer.update({"latents": jnp.asarray(g)}, state)
        for i in range(4):
            if not g[i].any():
                np.testing.assert_array_equal(step["latents"][i], 0)
                continue
            seen[i] += 1
            mean[i], square[i] = 0.9 * mean[i] + 0.1 * g[i], 0.999 * square[i] + 0.001 * g[i] ** 2
            wanted = mean[i] / (1 - 0.9 ** seen[i]) / (np.sqrt(square[i] / (1 - 0.999 ** seen[i])) + 1e-8)
            np.testing.assert_allclose(step["latents"][i], wanted, rtol=1e-3)
    np.testing.assert_array_equal(state.seen["latents"], seen)


def test_only_latents_learn_at_their_own_rate():
    still = train.Config(steps=5, batch=50, learning_rate=0.0, latent_rate=0.1, warmup=0)
    _, state = losses(still, (5,))
    assert (state.params["dense"]["kernel"][...] == Line(rngs=nnx.Rngs(0)).dense.kernel[...]).all()
    assert (state.params["latents"][...] != 0).all()
