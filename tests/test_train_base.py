import json

import numpy as np

from dfm.codecs.latent import weights
from experiments import pools, train_base


def test_training_lowers_the_loss_and_leaves_weights_that_the_decoder_reads(noise, capsys):
    (noise / "c.toml").write_text(
        f'photos = "{noise}"\noutput = "{noise}/out.npz"\nlambda_ = 0.1\nfinest = 1\n'
        "rounds = 20\nsave_every = 10\npool = 3\ncrop = 32\nlife = 6\nfirst_life = 8\n"
    )
    train_base.main([str(noise / "c.toml")])
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["round"], last["round"]) == (10, 20)
    assert last["held_out"][0] < first["held_out"][0]
    assert last["fitted"][0] < first["fitted"][0]
    assert weights.read(noise / "out.npz").lambda_ == 0.1


def test_lives_end_in_turn_and_begin_anew():
    ages = np.stack(list(pools.ages(12, places=2, life=4, first_life=6)))
    np.testing.assert_allclose(ages[:8, 0], [0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 0, 0.25])
    np.testing.assert_array_equal(np.flatnonzero(ages[:, 1] == 0), [0, 8])
