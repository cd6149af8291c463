"""Generators in the thesis's units and ours."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dfm import fourier
from experiments import rows, thesis_generator
from models import dfm_generator


def test_the_thesis_s_mlp_gives_coefficients_themselves():
    shape = dfm_generator.Config(latent=4, hidden=(8,), width=3, depth=2)
    plain = thesis_generator.Plain(shape, 1, rngs=nnx.Rngs(0))
    z = jax.random.normal(jax.random.key(0), (2, 4))
    made = plain(z)
    scales = fourier.scale(2), fourier.scale(3), fourier.scale(3)
    used = [scale * layer.reshape(2, -1) for scale, layer in zip(scales, made, strict=True)]
    np.testing.assert_allclose(jnp.concatenate(used, axis=1), plain.mlp(z), rtol=1e-5)


def test_rows_are_measured_once_and_laid_out(tmp_path):
    config = tmp_path / "c.toml"
    results = tmp_path / "rows.jsonl"
    config.write_text(
        'data = "digits"\nwidths = [2]\ndepths = [2]\nrates = [1e-3]\nsteps = 2\n'
        f'batch = 20\nresults = "{results}"\n'
    )
    for _ in range(2):
        thesis_generator.main([str(config)])
    measured = rows.read(results)
    assert [row["units"] for row in measured] == ["thesis", "derived"]
    table = thesis_generator.table(measured)
    assert table.splitlines()[0] == "| width, depth | mean image | thesis, 0.001 | derived, 0.001 |"
    assert all(f"{row['psnr_db']:.2f}" in table for row in measured)
