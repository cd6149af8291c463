"""The work of a network in pixels and in latents."""

import jax.numpy as jnp
import pytest

from experiments import latent_cost, rows


def test_the_work_of_a_product_of_matrices_is_counted():
    assert latent_cost.flops(lambda x: x @ jnp.ones((3, 4)), (5, 3)) == pytest.approx(2 * 5 * 3 * 4, rel=0.1)


def test_the_work_falls_as_the_square_of_the_factor(tmp_path, capsys):
    config, results = tmp_path / "c.toml", tmp_path / "rows.jsonl"
    config.write_text(
        f'side = 256\nfactors = [1, 2, 4, 8]\nchannels = 4\nwidths = [4, 8]\nresults = "{results}"\n'
    )
    for _ in range(2):
        latent_cost.main([str(config)])
    found = {row["factor"]: row["flops"] for row in rows.read(results)}
    assert len(rows.read(results)) == 4
    for factor in (2, 4, 8):
        assert found[1] / found[factor] == pytest.approx(factor**2, rel=0.05)
    assert f"| 8 | {found[8] / 1e9:.3f} |" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="factor 3 does not divide side 256"):
        latent_cost.main([str(config), "factors=[3]"])
