import json

import numpy as np

from dfm import image
from dfm.codecs.latent import weights
from experiments import train_base


def test_training_lowers_the_loss_and_leaves_weights_that_the_decoder_reads(tmp_path, capsys):
    random = np.random.default_rng(0)
    for i in range(10):
        image.write(tmp_path / f"{i}.png", random.integers(0, 256, (33, 40, 3), dtype=np.uint8))
    (tmp_path / "c.toml").write_text(
        f'photos = "{tmp_path}"\noutput = "{tmp_path}/out.npz"\nlambda_ = 0.1\n'
        "steps = 40\nsave_every = 20\nbatch = 1\ncrop = 32\n"
    )
    train_base.main([str(tmp_path / "c.toml")])
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["step"], last["step"]) == (20, 40)
    assert last["held_out"][0] < first["held_out"][0]
    assert weights.read(tmp_path / "out.npz").lambda_ == 0.1
