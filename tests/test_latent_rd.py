import numpy as np
import pytest

import dfm
from dfm import image
from experiments import demo, latent_rd, rows


def test_each_lambda_of_each_photo_is_measured_once(tmp_path, capsys):
    photo = image.read(demo.PHOTO)[100:132, 140:188]
    image.write(tmp_path / "small.png", photo)
    name, results = str(tmp_path / "small.png"), str(tmp_path / "rows.jsonl")
    (tmp_path / "c.toml").write_text(
        f'images = ["{name}"]\nlambdas = [1.6e-2, 1e-3]\npreset = "instant"\nresults = "{results}"\n'
    )
    for _ in range(2):
        latent_rd.main([str(tmp_path / "c.toml")])
    first, second = rows.read(results)
    assert [row["settings"]["lambda_"] for row in (first, second)] == [1.6e-2, 1e-3]
    assert first["bytes"] < second["bytes"] == len(dfm.encode(photo, "latent", "instant", lambda_=1e-3))
    assert first["psnr_db"] < second["psnr_db"]
    assert sum(second["split"].values()) == second["bytes"]
    assert np.isfinite(second["encode_seconds"])
    assert f"| 0.001 | 1 | {second['bytes']:,} |" in capsys.readouterr().out


def test_a_photo_that_is_absent_is_one_line(tmp_path):
    (tmp_path / "c.toml").write_text('images = ["none.png"]\nlambdas = [1e-3]\npreset = "instant"\n')
    with pytest.raises(SystemExit, match=r"^latent_rd: .*none\.png"):
        latent_rd.main([str(tmp_path / "c.toml")])
