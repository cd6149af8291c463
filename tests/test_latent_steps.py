import pytest

import dfm
from dfm import image
from experiments import demo, latent_steps, rows


def test_a_file_of_no_steps_is_that_of_instant(tmp_path):
    photo = image.read(demo.PHOTO)[100:132, 140:188]
    image.write(tmp_path / "small.png", photo)
    found = latent_steps.measure({"image": str(tmp_path / "small.png"), "lambda_": 1e-3, "steps": 0})
    assert found["bytes"] == len(dfm.encode(photo, "latent", "instant", lambda_=1e-3))
    assert found["seconds"] > 0
    assert found["compile_seconds"] > 0


def test_bytes_are_compared_at_equal_psnr_on_each_photo(tmp_path, monkeypatch):
    monkeypatch.setattr(latent_steps.baselines, "RESULTS", tmp_path / "classic.jsonl")
    for name, size in (("a", 100), ("b", 400)):
        for psnr, more in ((30.0, 1), (40.0, 4)):
            row = {"image": name, "codec": "jpeg", "bytes": size * more, "psnr_db": psnr}
            rows.append(tmp_path / "classic.jsonl", row)
    measured = [
        {"image": name, "steps": 10, "bytes": size, "psnr_db": 35.0, "seconds": 2.0}
        for name, size in (("a", 100), ("b", 600))
    ]
    line = latent_steps.table(measured).splitlines()[-1]
    assert line == "| 10 | 2 | 350 | 35.00 | -37.5 | – | – |"


def test_a_photo_that_is_absent_is_one_line(tmp_path):
    (tmp_path / "c.toml").write_text('images = ["none.png"]\nsteps = [0]\nlambda_ = 1e-3\n')
    with pytest.raises(SystemExit, match=r"^latent_steps: .*none\.png"):
        latent_steps.main([str(tmp_path / "c.toml")])
