import json

import numpy as np

from dfm.codecs.latent import weights
from experiments import networks, train_analysis


def test_guesses_get_better_and_nothing_that_a_decoder_reads_changes(noise, capsys):
    path = noise / "base.npz"
    networks.save(path, networks.rounded(networks.first(0, 0.1, 1, ""), 0.1, 1))
    before = weights.read(path)
    (noise / "c.toml").write_text(
        f'photos = "{noise}"\nbase = "{path}"\nsteps = 30\ncrops = 2\ncrop = 32\nsave_every = 10\n'
    )
    train_analysis.main([str(noise / "c.toml")])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["step"] for row in found] == [10, 20, 30]
    assert found[-1]["held_out"][0] < found[0]["held_out"][0]
    after = weights.read(path)
    assert all(np.array_equal(after.weights[name], w) for name, w in before.weights.items())
    for group, along in before.directions.items():
        np.testing.assert_array_equal(after.directions[group].spread, along.spread)
    assert any(np.any(after.analysis[name] != w) for name, w in before.analysis.items())
