import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfm.codecs.latent import grids, model
from experiments import demo, latent_ablation, rows, variants


def test_a_row_for_each_variant_and_none_twice(tmp_path):
    path = tmp_path / "rows.jsonl"
    config = tmp_path / "c.toml"
    config.write_text(
        f'images = ["{demo.PHOTO}"]\nvariants = ["fourier-2", "gelu-3-3-context-2"]\n'
        f'crop = 32\nsteps = 3\nresults = "{path}"\n'
    )
    latent_ablation.main([str(config)])
    latent_ablation.main([str(config)])
    first, second = rows.read(path)
    assert (first["variant"], second["variant"]) == ("fourier-2", "gelu-3-3-context-2")
    assert first["loss"] == pytest.approx(
        10 ** (-first["psnr_db"] / 10) + 1e-3 * 8 * first["latent_bytes"] / 32**2, rel=1e-2
    )
    assert first["multiplications"] < second["multiplications"]
    costs = f"{second['variant']} | {second['weights']:,} | {second['multiplications']:,}"
    ratio = f"{100 * second['loss'] / first['loss']:.1f}"
    assert latent_ablation.table([first, second]).endswith(
        f" | 100.0 | 100.0 |\n| {costs} | {ratio} | {ratio} |"
    )


def test_fourier_5_5_is_the_network_of_the_codec():
    what = variants.named("fourier-5-5")
    assert what == variants.Variant("fourier", (5, 5), 0)
    own = variants.init(what, 0)
    random = np.random.default_rng(0)
    own = {n: jnp.asarray(random.normal(0, 0.1, v.shape), jnp.float32) for n, v in own.items()}
    q = [jnp.asarray(random.integers(-2, 3, g.size(19, 22)), jnp.float32) for g in grids.order(0)]
    w = {n: v for n, v in own.items() if not n.startswith("block")}
    for i in range(2):
        w |= {f"synthesis.{i + 1}": own[f"block.{i}"], f"synthesis.{i + 1}.bias": own[f"block.{i}.bias"]}
        w[f"synthesis.{i + 1}.fourier"] = own[f"block.{i}.out"]
    images = jax.jit(lambda: (variants.image(what, own, q, (19, 22)), model.image(w, q, 0, (19, 22))))()
    np.testing.assert_allclose(*images, atol=1e-2)
    bits = jax.jit(lambda: (variants.bits(what, own, q), model.bits(w, q, 0)))()
    np.testing.assert_allclose(*bits, rtol=1e-6)


@pytest.mark.parametrize("name", ["tanh-3", "fourier", "fourier-x", "gelu-3-context-x"])
def test_other_variants_are_refused(name):
    with pytest.raises(ValueError, match="write one such as"):
        variants.named(name)
