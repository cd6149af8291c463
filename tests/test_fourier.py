"""The Fourier layer is eq. 4.5, its derivative is its own, and its start is neither constant nor noise."""

import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.test_util import check_grads

from dfm import fourier, network

POINTS = 37
SIZES = [(m, n) for m in range(1, 11) for n in {3, m}]
OTHER_SETS = {
    "thesis without zero": fourier.frequencies(3)[1:],
    "order 3": fourier.frequencies(2, 3),
    "conjugates": np.array([[0, 0], [1, 0], [1, -1], [2, -3]], np.int32),
}
CORNERS = [(2, 1), (2, 16), (6, 8), (10, 1), (10, 16)]
STARTS = [*CORNERS, *((width, depth) for width in (3, 4, 5, 7, 8, 9) for depth in (1, 4))]


def oracle(w: jax.Array, x: jax.Array, k: np.ndarray) -> np.ndarray:
    """Evaluate the sum over k term by term in float64."""
    w, x = np.asarray(w, np.float64), np.asarray(x, np.float64)
    y = np.zeros((len(x), w.shape[1]))
    rows = iter(w)
    for wave, frequencies in ((np.cos, k), (np.sin, [row for row in k if row.any()])):
        for row in frequencies:
            y += wave(2 * np.pi * (x @ row))[:, None] * next(rows)
    return y + x if y.shape == x.shape else y


def draw(k: np.ndarray, n: int) -> tuple[jax.Array, jax.Array]:
    random = np.random.default_rng(0)
    count = len(k) + np.any(k, axis=1).sum()
    w = random.normal(size=(count, n)).astype(np.float32)
    return jnp.asarray(w), jnp.asarray(random.uniform(-1, 1, (POINTS, k.shape[1])), jnp.float32)


def direct(w: jax.Array, x: jax.Array, k: np.ndarray) -> jax.Array:
    """Evaluate eq. 4.5 by the framework's own sine and cosine, for its derivative."""
    phase = 2 * np.pi * x @ k.T
    y = jnp.concatenate([jnp.cos(phase), jnp.sin(phase[:, np.any(k, axis=1)])], axis=1) @ w
    return y + x if y.shape == x.shape else y


def assert_close(got: jax.Array, wanted: np.ndarray) -> None:
    assert np.max(np.abs(got - wanted)) <= 1e-5 * np.max(np.abs(wanted))


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_the_layer_is_the_formula(m: int, n: int) -> None:
    k = fourier.frequencies(m)
    w, x = draw(k, n)
    assert_close(fourier.layer(w, x), oracle(w, x, k))


@pytest.mark.parametrize("name", OTHER_SETS)
def test_the_layer_takes_any_frequencies(name: str) -> None:
    k = OTHER_SETS[name]
    w, x = draw(k, 4)
    assert_close(fourier.layer(w, x, k), oracle(w, x, k))


@pytest.mark.parametrize("order", [1, 2])
def test_frequencies_are_all_vectors_once_and_zero_is_first(order: int) -> None:
    k = fourier.frequencies(3, order)
    assert {tuple(row) for row in k} == set(itertools.product(range(order + 1), repeat=3))
    assert not k[0].any()
    assert len(k) == (order + 1) ** 3


def test_features_are_cosines_then_sines() -> None:
    x = jnp.array([[0.25, 0.0], [0.1, 0.3]])
    phase = 2 * np.pi * x @ fourier.frequencies(2).T
    wanted = np.concatenate([np.cos(phase), np.sin(phase[:, 1:])], axis=1)
    np.testing.assert_allclose(fourier.features(x, fourier.frequencies(2)), wanted, atol=1e-6)


@pytest.mark.parametrize("m", [1, 2, 5, 8])
def test_the_derivative_is_that_of_the_direct_formula(m: int) -> None:
    k = fourier.frequencies(m)
    w, x = draw(k, 3)

    def gradients(layer):
        return jax.grad(lambda w, x: jnp.sum(jnp.sin(layer(w, x))), argnums=(0, 1))(w, x)

    for got, wanted in zip(gradients(fourier.layer), gradients(lambda w, x: direct(w, x, k)), strict=True):
        assert np.max(np.abs(got - wanted)) <= 2e-4 * np.max(np.abs(wanted))


def test_the_derivative_is_that_of_finite_differences() -> None:
    w, x = draw(fourier.frequencies(2), 2)

    def layer(w, x):
        return fourier.layer(jnp.asarray(w), jnp.asarray(x))  # the numerical derivative gives NumPy arrays

    check_grads(layer, (0.1 * w, x[:5]), order=1, modes=["rev"], atol=1e-2, rtol=1e-2)


def test_blocks_of_points_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    w, x = draw(fourier.frequencies(4), 4)

    def both() -> list[jax.Array]:
        value, pull = jax.vjp(fourier.layer, w, x)
        return [value, *pull(jnp.ones_like(value))]

    whole = both()
    monkeypatch.setitem(fourier._BLOCK, "cpu", 8)
    for one, many in zip(whole, both(), strict=True):
        np.testing.assert_allclose(one, many, rtol=1e-4, atol=1e-4)


def test_the_layer_maps_and_compiles() -> None:
    w, x = draw(fourier.frequencies(3), 3)
    mapped = jax.jit(jax.vmap(fourier.layer, (None, 0)))(w, x.reshape(1, POINTS, 3))
    np.testing.assert_allclose(mapped[0], fourier.layer(w, x), rtol=1e-5, atol=1e-5)


def test_a_wrong_number_of_coefficients_is_named() -> None:
    with pytest.raises(ValueError, match="w has 6 rows; a layer of 4 frequencies has 7"):
        fourier.layer(jnp.zeros((6, 1)), jnp.zeros((1, 2)))


def test_the_module_owns_scaled_coefficients() -> None:
    module = fourier.Fourier(4, 3, rngs=nnx.Rngs(0))
    x = jnp.linspace(-1, 1, 8).reshape(2, 4)
    assert module.w[...].size == 3 * (2 * 2**4 - 1)
    np.testing.assert_allclose(module(x), fourier.layer(fourier.scale(4) * module.w[...], x), rtol=1e-6)


def grid(side: int) -> jax.Array:
    centers = (np.arange(side) + 0.5) / (2 * side) - 0.25
    return jnp.asarray(np.stack(np.meshgrid(centers, centers), axis=-1), jnp.float32)


@pytest.mark.parametrize(("m", "n"), [(m, n) for m in (2, 4, 6, 8, 10) for n in (3, m)])
def test_the_jacobian_at_the_start_has_the_derived_size_at_every_width(m: int, n: int) -> None:
    def squares(key: jax.Array) -> jax.Array:
        w, x = fourier.scale(m) * fourier.init(key, m, n), jax.random.normal(key, (m,))
        return jnp.sum(jax.jacobian(lambda x: fourier.layer(w, x[None])[0])(x) ** 2)

    mean = float(jnp.mean(jax.lax.map(squares, jax.random.split(jax.random.key(m), 100))))
    assert mean == pytest.approx(m * (1 + 1 / 16) if n == m else m, rel=0.25)


@pytest.mark.parametrize(("width", "depth"), STARTS)
def test_a_network_at_its_start_is_neither_constant_nor_noise(width: int, depth: int) -> None:
    image = np.asarray(network.apply(network.init(jax.random.key(0), width, depth, 3), grid(48)))
    centered = image - image.mean((0, 1))
    neighbors = np.mean(centered[:, 1:] * centered[:, :-1]) / np.mean(centered**2)
    assert 0.02 < centered.std() < 0.8
    assert neighbors > 0.9


def test_a_network_is_its_layers_in_turn() -> None:
    drawn = network.init(jax.random.key(0), 3, 4, 2)
    x = y = grid(5)
    for stored in (drawn.first, *drawn.hidden, drawn.last):
        y = fourier.layer(fourier.scale(y.shape[-1]) * stored, y)
    np.testing.assert_allclose(network.apply(drawn, x), jnp.tanh(y), atol=1e-6)


@pytest.fixture
def optimized() -> Iterator[None]:
    """Let XLA optimize what takes longer to run than to compile."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.mark.usefixtures("optimized")
@pytest.mark.parametrize(("width", "depth"), CORNERS)
def test_one_learning_rate_trains_every_network(width: int, depth: int) -> None:
    x = grid(16)
    target = jnp.stack([jnp.sin(9 * x[..., 0]), jnp.cos(9 * x[..., 1]), 2 * x[..., 0]], axis=-1) / 2
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, 120))  # at a constant rate the deepest bounces

    def loss(w: network.Network) -> jax.Array:
        return jnp.mean((network.apply(w, x) - target) ** 2)

    def step(state, _):
        value, gradient = jax.value_and_grad(loss)(state[0])
        updates, memory = optimizer.update(gradient, state[1])
        return (optax.apply_updates(state[0], updates), memory), value

    w = network.init(jax.random.key(1), width, depth, 3)
    _, losses = jax.jit(lambda s: jax.lax.scan(step, s, length=120))((w, optimizer.init(w)))
    assert np.all(np.isfinite(losses))
    assert np.median(losses[-20:]) < 0.5 * losses[0]
