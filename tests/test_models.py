"""Every model of the folder, and every configuration that names one."""

import dataclasses
import functools
import inspect
import tomllib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from flax import nnx

import models
from dfm import config, parallel, registry, train
from dfm.batch import Batch
from experiments import datasets, run
from experiments import train as training

ROOT = Path(__file__).parent.parent
NAMES = registry.names(models)
CONFIGS = [
    path
    for path in sorted((ROOT / "configs").glob("*.toml"))
    if path.read_text().startswith("# python -m experiments.train ")
]
SHAPES = {
    "digits": (8, 8, 1),
    "mnist": (28, 28, 1),
    "fashion-mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "digits-on-photos": (32, 32, 3),
}
OF_CODES = {
    name for name in NAMES if dataclasses.fields(registry.get(models, name).Config)[0].name == "codes"
}
PIXELWISE = {
    tomllib.loads(path.read_text())["model"] for path in CONFIGS if "digits-on-photos" in path.read_text()
}

VARIATIONAL = [
    name
    for name in NAMES
    if hasattr((module := registry.get(models, name)).Model, "posterior") and hasattr(module.Config, "beta")
]


def images(count, shape, seed=0):
    """Draw smooth images, of which no two are alike."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    waves = random.normal(size=(count, 2, shape[2]))
    phase = np.einsum("yxi,nic->nyxc", np.stack([y, x], -1), 6 * waves) + random.uniform(
        0, 6, (count, 1, 1, shape[2])
    )
    return np.rint(127.5 + 127.5 * np.sin(phase)).astype(np.uint8)


def batch(count=6, shape=(8, 8, 1)):
    return Batch(
        jnp.asarray(images(count, shape) / 255, jnp.float32),
        (3 * jnp.arange(count) + 1) % 10,  # no label is its index
        jnp.arange(count),
    )


def make(name, count=6, shape=(8, 8, 1), **settings):
    module = registry.get(models, name)
    shape = shape[:2] if name in OF_CODES else shape
    return module, module.Model(module.Config(**settings), (count, *shape), rngs=nnx.Rngs(0))


def examples(name, count=6, shape=(8, 8, 1)):
    """Draw what a model learns from: images with classes, images with classes of pixels, or codes."""
    made = batch(count, shape)
    if name in OF_CODES:
        codes = registry.get(models, name).Config().codes
        return made._replace(images=jnp.asarray(made.images[..., 0] * (codes - 1), jnp.int32))
    return made._replace(labels=(made.images[..., 0] * 10).astype(int)) if name in PIXELWISE else made


def test_there_are_models_and_each_has_a_configuration():
    used = {tomllib.loads(path.read_text())["model"] for path in CONFIGS}
    assert used == set(NAMES) != set()


@pytest.mark.parametrize("name", NAMES)
def test_a_model_file_has_the_public_names(name):
    module = registry.get(models, name)
    own = {
        n for n, v in vars(module).items() if n[0] != "_" and getattr(v, "__module__", "") == module.__name__
    }
    assert {"Config", "Model", "loss"} <= own <= {"Config", "Model", "loss", "sample"}
    assert list(inspect.signature(module.Model.__init__).parameters) == ["self", "config", "shape", "rngs"]


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_is_finite_and_its_gradient_reaches_every_parameter(name):
    shape = 7, 10, 3
    module, model = make(name, 6, shape)
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def objective(params):
        return module.loss(
            nnx.merge(graph, params, rest, copy=True), examples(name, 6, shape), jax.random.key(0)
        )

    (value, metrics), slopes = jax.jit(jax.value_and_grad(objective, has_aux=True))(params)
    assert value.shape == ()
    assert all(jnp.isfinite(v) and v.shape == () for v in [value, *metrics.values()])
    still = [path for path, g in jax.tree_util.tree_leaves_with_path(slopes) if not jnp.any(g != 0)]
    assert still == []


@pytest.mark.parametrize("name", NAMES)
def test_a_few_steps_lower_the_loss(name):
    module, model = make(name, 10)
    latents = 1e-2 if hasattr(model, "latents") else 0.0
    settings = train.Config(steps=40, batch=10, learning_rate=3e-3, latent_rate=latents, warmup=5)
    task, state = train.start(model, module.loss, settings)
    _, metrics = train.advance(task, state, examples(name, 10), 40)
    assert metrics["loss"][-5:].mean() < metrics["loss"][:5].mean()


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(registry.get(models, name), "sample")])
def test_samples_are_images_and_depend_on_the_key(name):
    module, model = make(name, 6, (7, 10, 3))
    draw = jax.jit(lambda key: module.sample(model, key, 3))
    one, same, other = (np.asarray(draw(jax.random.key(seed))) for seed in (0, 0, 1))
    assert one.shape == ((3, 7, 10) if name in OF_CODES else (3, 7, 10, 3))
    assert one.min() >= 0
    assert one.max() <= (model.config.codes - 1 if name in OF_CODES else 1)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize(
    "name",
    [name for name in NAMES if "N(0, I)" in getattr(registry.get(models, name), "sample", str).__doc__],
)
def test_what_is_decoded_as_samples_is_standard_normal_noise(name, monkeypatch):
    module, model = make(name, 6, (7, 10, 3))
    decode = "decode" if hasattr(model, "decode") else "generate"
    monkeypatch.setattr(module.Model, decode, lambda _, z, *labels: z)
    z = np.asarray(module.sample(model, jax.random.key(0), 4000)).reshape(4000, -1)
    assert scipy.stats.kstest(z.ravel(), "norm").statistic < 0.01
    np.testing.assert_allclose(np.cov(z.T), np.eye(z.shape[1]), atol=0.1)
    assert len(np.unique(z[:, 0])) > 3900


@pytest.mark.parametrize(
    "name", [name for name in NAMES if hasattr(registry.get(models, name).Model, "encode")]
)
def test_latents_decode_to_images_of_the_size_encoded(name):
    _, model = make(name, 6, (7, 10, 3))
    given = batch(4, (7, 10, 3)).images
    latents, decoded = jax.jit(lambda x: (z := model.encode(x), model.decode(z)))(given)
    assert len(latents) == 4
    assert decoded.shape == given.shape
    assert 0 <= decoded.min() <= decoded.max() <= 1


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in NAMES
        if "scale" in inspect.signature(getattr(registry.get(models, n).Model, "decode", len)).parameters
    ],
)
def test_a_latent_decodes_at_other_sizes_to_the_same_image(name):
    _, model = make(name)
    latents = jax.jit(model.encode)(batch(3).images)
    once, thrice = (jax.jit(functools.partial(model.decode, scale=scale))(latents) for scale in (1, 3))
    assert thrice.shape == (3, 24, 24, 1)
    np.testing.assert_allclose(thrice[:, 1::3, 1::3], once, atol=1e-5)  # centers of pixels coincide


@functools.cache
def judged(name, beta):
    """Give what evaluates the loss and the metrics of an untrained model for a key."""
    module, model = make(name, beta=beta)
    return jax.jit(lambda key: module.loss(model, batch(), key))


@pytest.mark.parametrize("name", VARIATIONAL)
def test_a_unit_of_beta_costs_the_divergence_a_value(name):
    key = jax.random.key(0)
    (one, metrics), (two, _) = judged(name, 1.0)(key), judged(name, 2.0)(key)
    assert metrics["kl_nats"] > 0
    np.testing.assert_allclose(two - one, metrics["kl_nats"] / batch().images[0].size, rtol=1e-3)


@pytest.mark.parametrize("name", VARIATIONAL)
def test_what_is_decoded_in_training_is_a_draw_from_the_posterior(name):
    psnrs = [judged(name, 1.0)(jax.random.key(seed))[1]["psnr_db"] for seed in range(8)]
    assert len({float(psnr) for psnr in psnrs}) == 8


@pytest.mark.parametrize(
    "name", [name for name in VARIATIONAL if registry.get(models, name).Config().beta == 0]
)
def test_without_a_divergence_to_pay_there_is_no_noise(name):
    found = [judged(name, 0.0)(jax.random.key(seed)) for seed in (0, 1)]
    assert jax.tree.map(float, found[0]) == jax.tree.map(float, found[1])


@pytest.fixture
def small_sets(monkeypatch):
    """Put small sets of images in place of real ones, one device in place of eight, and no pictures."""

    def load(name):
        shape = SHAPES[name]
        classes = (16, *shape[:2]) if name == "digits-on-photos" else (16,)
        split = datasets.Split(images(16, shape), np.arange(np.prod(classes)).reshape(classes) % 10)
        return datasets.Dataset(split, split)

    monkeypatch.setattr(datasets, "load", load)
    monkeypatch.setattr(parallel, "mesh", functools.partial(parallel.mesh, jax.devices()[:1]))
    monkeypatch.setattr(training, "show", lambda *_: None)


def brief(path, *overrides):
    short = ["train.steps=2", "train.batch=8", "log_every=1", "save_every=2"]
    return config.load(run.Config, path, [*short, *overrides])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_trains(path, tmp_path, small_sets):
    loaded = brief(path)
    if loaded.latents_of:
        first = tmp_path / "first"
        training.fit(brief(ROOT / "configs" / f"{Path(loaded.latents_of).name}.toml"), first)
        loaded = dataclasses.replace(loaded, latents_of=str(first))
    done = training.fit(loaded, tmp_path / "run")
    assert int(done.state.step) == 2
    assert path.read_text().startswith(f"# python -m experiments.train configs/{path.name}")
