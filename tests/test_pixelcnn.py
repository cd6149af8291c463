"""The PixelCNN: whom a cell sees, what it learns, and its sampling against the plain way.

The functions here serve the tests of every model of codes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dfm import train
from dfm.batch import Batch
from models import pixelcnn

TRANSITIONS = np.array([[0.8, 0.1, 0.1], [0.0, 0.1, 0.9], [0.5, 0.5, 0.0]])


def make(module, shape, **settings):
    return module.Model(module.Config(classes=2, **settings), (1, *shape), rngs=nnx.Rngs(0))


def influence(model):
    """Give the size of the gradient of each cell's log odds in the embedding of each cell's code."""
    cells = model.grid[0] * model.grid[1]
    graph, state = nnx.split(model)

    def judged(table):
        copy = nnx.merge(graph, state, copy=True)
        copy.embed.embedding[...] = table
        logits = copy(jnp.arange(cells).reshape(1, *model.grid), jnp.zeros(1, int))  # no code occurs twice
        return logits.reshape(cells, -1) @ jnp.sin(jnp.arange(logits.shape[-1]))

    return np.abs(jax.jit(jax.jacrev(judged))(model.embed.embedding[...])[:, :cells]).sum(-1)


def uncached(model, key, label):
    """Draw codes of a class by evaluating the whole grid for each."""
    evaluate = jax.jit(lambda codes: model(codes.reshape(1, *model.grid), label[None]))
    codes = jnp.zeros(model.grid, int).reshape(-1)
    for i, own in enumerate(jax.random.split(key, len(codes))):
        logits = evaluate(codes).reshape(len(codes), -1)[i]
        codes = codes.at[i].set(jax.random.categorical(own, logits))
    return codes.reshape(model.grid)


def singles(module, model, keys, labels):
    """Draw codes one by one, but together."""
    return jax.jit(jax.vmap(lambda key, label: module.sample(model, key, 1, label[None])[0]))(keys, labels)


def excess(module, model, images=2000, steps=100):
    """Train on a Markov chain along the rows, and give the last losses less its entropy, in nats a code."""
    random, cells = np.random.default_rng(0), model.grid[0] * model.grid[1]
    values, vectors = np.linalg.eig(TRANSITIONS.T)
    steady = np.real(vectors[:, np.argmax(values.real)])
    steady /= steady.sum()
    line = [random.choice(3, images, p=steady)]
    for _ in range(1, cells):
        line.append((random.uniform(size=(images, 1)) > TRANSITIONS[line[-1]].cumsum(1)).sum(1))
    entropies = [jax.scipy.special.entr(p).sum(-1) for p in (steady, TRANSITIONS)]
    rate = (entropies[0] + (cells - 1) * steady @ entropies[1]) / cells
    codes = jnp.asarray(np.stack(line, 1).reshape(-1, *model.grid), jnp.int32)
    settings = train.Config(steps=steps, batch=64, learning_rate=2e-2, warmup=10)
    task, state = train.start(model, module.loss, settings)
    data = Batch(codes, jnp.zeros(images, jnp.int32), jnp.arange(images))
    return float(train.advance(task, state, data, steps)[1]["loss"][-20:].mean() - rate)


def test_a_cell_sees_every_code_before_it_and_none_after():
    found = influence(make(pixelcnn, (4, 4), codes=16, width=8, layers=3))
    np.testing.assert_array_equal(found > 0, np.tri(16, k=-1, dtype=bool))


def test_a_cell_sees_the_class():
    model = make(pixelcnn, (3, 3), codes=3, width=8, layers=2)
    one, other = jax.jit(model)(jnp.zeros((2, 3, 3), int), jnp.arange(2))
    assert (one != other).any(-1).all()


def test_sampling_with_caches_draws_what_whole_grids_do():
    model = make(pixelcnn, (3, 4), codes=5, width=8, layers=2, reach=2)
    model.last.layers[-1].kernel[...] *= 100  # small differences change draws
    keys, labels = jax.random.split(jax.random.key(0), 3), jnp.array([0, 1, 1])
    drawn = singles(pixelcnn, model, keys, labels)
    for codes, key, label in zip(drawn, keys, labels, strict=True):
        np.testing.assert_array_equal(codes, uncached(model, key, label))


def test_the_loss_falls_to_the_entropy_of_a_markov_chain():
    model = make(pixelcnn, (5, 2), codes=3, width=12, layers=1)
    assert abs(excess(pixelcnn, model)) < 0.02
