"""Checkpoints: whole, the last three, and of this state alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfm import checkpoint, parallel


def state(size=3, fill=0.0):
    return {
        "a": jnp.full((size, 2), float(fill)),
        "b": (jnp.arange(size, dtype=jnp.uint32), jnp.asarray(7, jnp.int32)),
    }


def test_the_last_of_three_comes_back(tmp_path):
    with checkpoint.Checkpoints(tmp_path / "new" / "folder") as kept:
        assert kept.latest() is None
        for step in range(5):
            kept.save(step, state(fill=step))
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {"2", "3", "4"}
    with checkpoint.Checkpoints(tmp_path / "new" / "folder") as kept:
        assert kept.latest() == 4
        found = kept.restore(state())
    assert jax.tree.structure(found) == jax.tree.structure(state())
    jax.tree.map(np.testing.assert_array_equal, found, state(fill=4))


def test_a_state_comes_back_onto_the_devices_asked_for(tmp_path):
    with checkpoint.Checkpoints(tmp_path) as kept:
        kept.save(1, state(fill=1))
    like = parallel.replicate(state(), parallel.mesh())
    with checkpoint.Checkpoints(tmp_path) as kept:
        found = kept.restore(like)
    assert len(found["a"].devices()) == 8
    np.testing.assert_array_equal(found["a"], 1)


def test_what_is_saved_is_the_state_of_then(tmp_path):
    change = jax.jit(lambda state: jax.tree.map(lambda x: x + 1, state), donate_argnums=0)
    now = state(fill=5)
    with checkpoint.Checkpoints(tmp_path) as kept:
        kept.save(1, now)
        now = change(now)
        assert kept.restore(state())["a"][0, 0] == 5
    assert now["a"][0, 0] == 6


@pytest.mark.parametrize("other", [state(size=4), {"a": jnp.zeros((3, 2))}])
def test_another_state_is_refused(tmp_path, other):
    with checkpoint.Checkpoints(tmp_path) as kept:
        kept.save(1, state())
        with pytest.raises(ValueError, match="of another model or optimizer"):
            kept.restore(other)


def test_an_empty_folder_holds_none(tmp_path):
    with checkpoint.Checkpoints(tmp_path) as kept, pytest.raises(ValueError, match="holds no checkpoint"):
        kept.restore(state())
