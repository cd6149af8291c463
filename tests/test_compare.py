"""Hold comparisons to what they say: rows are of real files, budgets hold, a codec that cannot is named."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from dfm import compare, contestant, image, metrics, result

CHELSEA = Path(__file__).parent.parent / "experiments" / "photos" / "chelsea.png"
FIGURES = {"bytes", "bpp", "psnr_db", "ssim", "ms_ssim", "encode_seconds", "decode_seconds"}


@pytest.fixture
def photo(tmp_path):
    """Give the path of 64 x 48 pixels of the bundled photo."""
    image.write(tmp_path / "cat.png", image.read(CHELSEA)[100:148, 150:214])
    return tmp_path / "cat.png"


@pytest.fixture
def clear(tmp_path):
    """Give the path of an image with alpha."""
    pixels = np.dstack([image.read(CHELSEA)[100:120, 150:180], np.full((20, 30), 99, np.uint8)])
    image.write(tmp_path / "clear.png", pixels)
    return tmp_path / "clear.png"


def points(rows, codec):
    return [row for row in rows if row["codec"] == codec and "point" in row]


def test_every_row_is_of_a_real_file(photo):
    rows = compare.run([photo], ["jpeg", "jpeg:flat", "webp"])
    original = image.read(photo)
    for row in rows:
        entry = contestant.named(row["codec"])
        settings = [s for s in entry.ladder(0) if vars(s) == row["settings"]]
        data = entry.encode(original, settings[0])
        assert len(settings) == 1
        assert row["bytes"] == len(data)
        assert row["bpp"] == pytest.approx(8 * len(data) / (64 * 48), abs=1e-6)
        assert row["psnr_db"] == pytest.approx(metrics.psnr(original, entry.decode(data)), abs=1e-4)
        assert row["ssim"] == pytest.approx(metrics.ssim(original, entry.decode(data)), abs=1e-6)
        assert row["ms_ssim"] is None
        assert row["image"] == "cat.png"
        assert row["encode_seconds"] > 0
        assert row["decode_seconds"] > 0


def test_a_curve_has_every_point_of_the_sweep_in_order(photo):
    rows = compare.run([photo], ["webp"])
    sweep = contestant.named("webp").sweep((48, 64, 3))
    assert [(row["point"], row["settings"]) for row in points(rows, "webp")] == [
        (i, vars(setting)) for i, setting in enumerate(sweep)
    ]


def test_the_report_folder_holds_the_rows_the_curves_and_the_page(photo, tmp_path):
    folder = tmp_path / "a" / "report"
    rows = compare.run([photo], ["jpeg", "webp"], report_dir=folder)
    recorded = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert recorded == rows
    assert {path.name for path in folder.iterdir()} == {"rows.jsonl", "curves.svg", "report.html"}
    assert all(FIGURES | {"command", "machine", "settings"} <= row.keys() for row in rows)
    assert rows[0]["command"] == f"dfm compare {photo} --codecs jpeg,webp --report {folder}"


def test_files_at_equal_bytes_are_shown_beside_the_curves(photo):
    rows = compare.run([photo], ["jpeg", "webp"])
    budget = int(compare.SHOWN_BPP * 64 * 48 / 8)
    shown = [row for row in rows if "budget_bytes" in row]
    assert [row["codec"] for row in shown] == ["jpeg", "webp"]
    assert {row["budget_bytes"] for row in shown} == {budget}
    jpeg, webp = shown
    assert webp["bytes"] <= budget < jpeg["bytes"]
    assert jpeg["bytes"] == min(row["bytes"] for row in points(rows, "jpeg"))


def test_the_tables_name_codecs_bytes_and_rates(photo, capsys):
    rows = compare.run([photo], ["jpeg", "jpeg:flat", "webp"])
    printed = capsys.readouterr().out
    budget = int(compare.SHOWN_BPP * 64 * 48 / 8)
    assert f"cat.png, at most {budget:,} bytes" in printed
    assert "Bytes at equal PSNR, against JPEG 4:2:0" in printed
    rate = metrics.bd_rate(points(rows, "jpeg"), points(rows, "webp"))
    assert f"{rate:+.1f} %" in printed
    smallest = min(row["bytes"] for row in points(rows, "jpeg"))
    assert f"{smallest} (over)" in printed


def test_a_codec_that_cannot_is_named_and_the_others_go_on(clear, capsys):
    rows = compare.run([clear], ["jpeg", "webp"])
    assert {row["codec"] for row in rows} == {"webp"}
    assert "JPEG 4:2:0: Pillow's JPEG has no RGBA; give gray or RGB" in capsys.readouterr().out


def test_codecs_of_dfm_files_encode_once_a_budget(tmp_path, stored, capsys):
    budgets = [int(bpp * 240 * 200 / 8) for bpp in contestant.BUDGETS_BPP]
    image.write(tmp_path / "black.png", np.zeros((200, 240), np.uint8))
    rows = compare.run([tmp_path / "black.png"], ["stored", "webp"])
    assert len(stored.seen) == len(budgets)
    mine = [row for row in rows if row["codec"] == "stored"]
    assert [row["settings"]["max_bytes"] for row in points(mine, "stored")] == budgets
    assert {row["budget_bytes"] for row in rows if "budget_bytes" in row} == {budgets[1]}
    assert [row["settings"]["max_bytes"] for row in mine if "budget_bytes" in row] == [budgets[1]]
    assert all(row["bytes"] <= row["settings"]["max_bytes"] for row in mine)
    assert all(row["psnr_db"] is None for row in mine)
    assert "∞" in capsys.readouterr().out


def test_a_budget_that_a_codec_refuses_is_a_note(photo, stored, capsys):
    rows = compare.run([photo], ["stored", "webp"])
    assert {row["codec"] for row in rows} == {"webp"}
    assert len(stored.seen) == len(contestant.BUDGETS_BPP)
    assert capsys.readouterr().out.count("stored balanced: ") == len(contestant.BUDGETS_BPP)


def test_points_keep_the_number_of_their_setting_where_others_are_refused(photo, monkeypatch):
    make = contestant.make
    refused = contestant.named("webp").sweep((12, 20, 3))[0]

    def some(entry, original, setting):
        if setting == refused:
            raise ValueError("too small")
        return make(entry, original, setting)

    monkeypatch.setattr(contestant, "make", some)
    points, refusals = compare.curve(image.read(photo), contestant.named("webp"))
    assert list(points) == list(range(1, 1 + len(points)))
    assert refusals == ["WebP 4:2:0: too small"]


def test_a_larger_file_that_is_worse_is_told(photo):
    original = image.read(photo)
    points, _ = compare.curve(original, contestant.named("webp"))
    assert compare.setbacks(points.values()) == []
    low, high = points[2], points[8]
    longer = dataclasses.replace(low, data=high.data + bytes(1000))
    (note,) = compare.setbacks([longer, high])
    assert note.startswith("WebP 4:2:0: a larger file is worse: ")
    assert f"{len(longer.data):,} bytes, {low.psnr_db:.2f} dB, after {len(high.data):,} bytes" in note


def test_progress_runs_from_zero_towards_one(photo, clear):
    told = []
    compare.run([photo, clear], ["webp", "jpeg2000"], progress=lambda share, text: told.append((share, text)))
    assert told == [
        (0.0, "cat.png: WebP 4:2:0"),
        (0.25, "cat.png: JPEG 2000 4:4:4"),
        (0.5, "clear.png: WebP 4:2:0"),
        (0.75, "clear.png: JPEG 2000 4:4:4"),
    ]


def test_images_of_one_name_keep_apart(photo, tmp_path):
    other = tmp_path / "other" / photo.name
    other.parent.mkdir()
    image.write(other, np.zeros((20, 20), np.uint8))
    rows = compare.run([photo, other], ["webp"])
    assert {row["image"] for row in rows} == {str(photo), str(other)}


def test_a_missing_image_and_an_unknown_codec_fail_before_any_work(photo, tmp_path):
    told = []
    with pytest.raises(FileNotFoundError):
        compare.run([photo, tmp_path / "none.png"], progress=lambda *args: told.append(args))
    with pytest.raises(ValueError, match="'gif' is not in codecs"):
        compare.run([photo], ["jpeg", "gif"], progress=lambda *args: told.append(args))
    assert told == []


@pytest.mark.parametrize("codec", ["jpeg", "webp", "jpeg2000"])
def test_equal_bytes_fill_the_budget_or_come_at_the_smallest(photo, codec):
    original = image.read(photo)
    sizes = [len(point.data) for point in compare.curve(original, contestant.named(codec))[0].values()]
    (within,) = compare.equal_bytes(original, 1200, [codec])
    assert max(size for size in sizes if size <= 1200) <= len(within.data) <= 1200
    (over,) = compare.equal_bytes(original, 1, [codec])
    assert 1 < len(over.data) <= min(sizes)


def test_equal_bytes_take_gray_without_a_third_axis():
    gray = image.read(CHELSEA)[100:148, 150:214, 1]
    for r in compare.equal_bytes(gray, 1000, ["jpeg", "webp"]):
        assert r.decoded.shape == (48, 64, 1)
        assert r.psnr_db == metrics.psnr(gray[:, :, None], r.decoded) > 25


def test_a_result_without_loss_has_no_psnr_in_its_row():
    flat = np.full((16, 16, 3), 128, np.uint8)
    entry = contestant.named("jpeg2000")
    r = result.measure(flat, entry, contestant.make(entry, flat, entry.sweep(flat.shape)[-1]))
    assert r.psnr_db == float("inf")
    assert r.row("flat", {})["psnr_db"] is None
    assert json.loads(json.dumps(r.row("flat", {}), allow_nan=False))["ssim"] == 1
