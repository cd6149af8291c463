"""Run the baselines on two small pictures that stand for Kodak's."""

import json
from pathlib import Path

import pytest

from dfm import image, metrics
from experiments import baselines

CHELSEA = Path(__file__).parent.parent / "experiments" / "photos" / "chelsea.png"


@pytest.fixture
def kodak(tmp_path, monkeypatch):
    """Put crops of the bundled photo where kodim04 and kodim15 are looked for."""
    photo = image.read(CHELSEA)
    (tmp_path / "kodak").mkdir()
    for name, left in (("kodim04", 100), ("kodim15", 160)):
        image.write(tmp_path / "kodak" / f"{name}.png", photo[100:132, left : left + 40])
    monkeypatch.setenv("DFM_DATA", str(tmp_path))
    return tmp_path


def run(folder, *codecs):
    output = folder / "rows.jsonl"
    baselines.main(["--images", "4", "15", "--codecs", *codecs, "--output", str(output)])
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_every_photo_and_codec_has_a_curve_and_the_table_its_mean(kodak, capsys):
    rows = run(kodak, "jpeg", "webp")
    curves = {}
    for row in rows:
        curves.setdefault((row["image"], row["codec"]), []).append(row)
    assert curves.keys() == {(i, c) for i in ("kodim04", "kodim15") for c in ("jpeg", "webp")}
    assert all([row["point"] for row in curve] == list(range(len(curve))) for curve in curves.values())
    rates = [metrics.bd_rate(curves[i, "jpeg"], curves[i, "webp"]) for i in ("kodim04", "kodim15")]
    assert f"{sum(rates) / 2:+.1f} %" in capsys.readouterr().out
    assert all({"command", "machine", "versions"} <= row.keys() for row in rows)


def test_curves_that_are_there_are_kept_and_the_others_added(kodak):
    first = run(kodak, "jpeg")
    assert run(kodak, "jpeg", "webp")[: len(first)] == first
    assert len(run(kodak, "jpeg", "webp")) == len(run(kodak, "jpeg"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "1"], "kodim01.png"),
        (["--images", "25"], "25"),
        (["--images", "4", "--codecs", "gif"], "'gif' is not in codecs"),
    ],
)
def test_a_missing_photo_and_an_unknown_codec_end_in_one_line(kodak, arguments, message):
    with pytest.raises(SystemExit) as ended:
        baselines.main([*arguments, "--output", str(kodak / "rows.jsonl")])
    assert message in str(ended.value)
    assert "\n" not in str(ended.value)
    assert not (kodak / "rows.jsonl").exists()
