"""Run the demo on 48 x 32 pixels, with a preset `fast` cut to a few steps."""

import dataclasses
import json

import numpy as np
import pytest

import dfm
from dfm import contestant, image, metrics, result
from dfm.codecs import latent
from experiments import demo, strip


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Give the path of a small photo, and make encoding quick."""
    monkeypatch.setitem(latent.PRESETS, demo.PRESET, latent.Config(steps=25))
    image.write(tmp_path / "small.png", image.read(demo.PHOTO)[100:132, 140:188])
    return tmp_path / "small.png"


def test_the_demo_shows_the_file_that_it_wrote(small, tmp_path, capsys):
    ours, *others = demo.run(small, tmp_path / "new" / "demo", 900)
    folder = tmp_path / "new" / "demo"
    data = (folder / "small.dfm").read_bytes()
    assert ours.data == data
    assert len(data) <= 900
    np.testing.assert_array_equal(ours.decoded, dfm.decode(data))
    np.testing.assert_array_equal(image.read(folder / "decoded.png"), ours.decoded)
    assert ours.psnr_db == metrics.psnr(image.read(small), ours.decoded)
    assert [r.codec for r in others] == list(demo.OTHERS)
    printed = capsys.readouterr().out
    assert str(folder / "report.html") in printed
    for r in (ours, *others):
        assert f"{r.psnr_db:.2f}" in printed
        assert r.label in (folder / "report.html").read_text(encoding="utf-8")
    recorded = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert [(row["codec"], row["bytes"]) for row in recorded] == [
        (r.codec, len(r.data)) for r in (ours, *others)
    ]


def test_a_codec_that_cannot_go_so_low_is_marked_and_left_out_of_the_ranking(small):
    original = image.read(small)
    jpeg, webp = (measured(original, name) for name in ("jpeg", "webp"))
    least = min(len(jpeg.data), len(webp.data))
    verdict = demo.verdict([jpeg, webp], least)
    within, over = sorted([jpeg, webp], key=lambda r: len(r.data))
    assert verdict == (
        f"Best first, in at most {least:,} bytes: {within.label} {within.psnr_db:.2f} dB. "
        f"No file so small: {over.label}."
    )
    assert "(over)" in demo.cells(over.row("small.png", {"budget_bytes": least}))[1]


def test_the_ranking_is_by_psnr(small):
    webp = measured(image.read(small), "webp")
    better = dataclasses.replace(webp, label="better", psnr_db=webp.psnr_db + 1)
    assert demo.verdict([webp, better], 10**6).index("better") < demo.verdict([webp, better], 10**6).index(
        "WebP"
    )


def test_the_bundled_photo_has_a_budget_that_fits_the_network():
    height, width = image.read(demo.PHOTO).shape[:2]
    assert 0.05 < 8 * demo.MAX_BYTES / (height * width) < 0.2


def test_a_failure_is_one_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"^demo: .*file"):
        demo.main([str(tmp_path / "file")])


@pytest.mark.parametrize("shape", [(32, 48, 3), (300, 451, 3), (1, 1, 3)])
def test_the_strip_shows_pixels_unchanged(shape):
    original = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    drawn = strip.draw(original, [])
    width, height = min(shape[1], strip.TILE[0]), min(shape[0], strip.TILE[1])
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    tile = drawn[strip.GAP : strip.GAP + height, strip.GAP : strip.GAP + width]
    np.testing.assert_array_equal(tile, original[top : top + height, left : left + width])


def measured(original, name):
    entry = contestant.named(name)
    return result.measure(original, entry, contestant.fit(entry, original, 1))
