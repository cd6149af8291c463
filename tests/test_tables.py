"""The tables of experiments/tables.py, from invented rows."""

import json
import subprocess
import sys

import pytest

from experiments import kodak, markdown, tables, thesis_capacity, thesis_jpeg

PSNRS = (20.0, 22.0, 24.0, 26.0)
ADDED = {"encode_seconds": 1.0, "decode_seconds": 0.5}


def curve(factor, **key):
    """Give a curve whose bytes double with 2 dB, times `factor`."""
    points = [(round(1000 * factor * 2**i), psnr) for i, psnr in enumerate(PSNRS)]
    return [key | ADDED | {"bytes": n, "bpp": n / 49152, "psnr_db": psnr} for n, psnr in points]


def ours(factor, image="kodim04"):
    rows = curve(factor, image=image, codec="coordinate:fast")
    return [row | {"budget_bytes": 1000 * 2**i} for i, row in enumerate(rows)]


def siren(factor, image="kodim04"):
    return curve(factor, image=image, codec="siren", beside="coordinate:fast")


def jpeg(factor, image="kodim04", label="JPEG 4:2:0"):
    return curve(factor, image=image, codec="jpeg", label=label)


def lines(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_bytes_at_a_psnr_follow_the_curve_between_its_points():
    points = curve(1)
    assert tables.bytes_at(points, 22.0) == pytest.approx(2000)
    assert tables.bytes_at(points, 23.0) == pytest.approx(2000 * 2**0.5)


def test_bytes_below_the_smallest_file_are_its_own_and_beyond_the_best_none():
    assert tables.bytes_at(curve(1), 10.0) == pytest.approx(1000)
    assert tables.bytes_at(curve(1), 26.01) is None
    assert tables.bytes_at([], 20.0) is None


def test_a_larger_file_of_lower_psnr_does_not_count():
    worse = {"bytes": 3000, "psnr_db": 21.0}
    assert tables.bytes_at([*curve(1), worse], 23.0) == tables.bytes_at(curve(1), 23.0)


def test_bd_rates_are_those_of_curves_at_a_constant_ratio():
    images = ("kodim04", "kodim08")
    mine = [row for name in images for row in ours(0.5, name)]
    sirens = [row for name in images for row in siren(1, name)]
    jpegs = jpeg(2, "kodim04") + jpeg(1, "kodim08")
    references = {"SIREN, 16 bit": sirens, "JPEG 4:2:0": jpegs}
    cells = lines(tables.bd_rates(mine, references))
    assert cells[0] == ["image", "against SIREN, 16 bit", "against JPEG 4:2:0"]
    assert cells[2:] == [
        ["kodim04", "-50.0", "-75.0"],
        ["kodim08", "-50.0", "-50.0"],
        ["mean", "-50.0", "-62.5"],
    ]


def test_a_mean_over_the_easy_images_alone_is_not_shown():
    mine = ours(0.5, "kodim04") + ours(0.5, "kodim08")
    assert lines(tables.bd_rates(mine, {"SIREN": siren(1, "kodim04")}))[-1] == ["mean", "–"]


def test_equal_psnr_is_against_the_jpeg_variant_with_fewest_bytes():
    jpegs = jpeg(2) + jpeg(1, label="JPEG flat")
    cells = lines(tables.equal_psnr(ours(0.8), jpegs))
    assert [row[0] for row in cells[2:]] == [f"{n} dB" for n in range(20, 27)]
    assert {row[1] for row in cells[2:]} == {"80"}


def test_a_psnr_that_jpeg_exceeds_with_its_smallest_file_counts_that_file():
    cells = lines(tables.equal_psnr(ours(1), [row for row in jpeg(1) if row["psnr_db"] > 23]))
    assert cells[2][1:] == ["25", "25"]


def test_the_published_curve_needs_all_of_kodak(tmp_path):
    path = tmp_path / "coin.tsv"
    points = [f"{row['bpp']}\t{row['psnr_db']}\n" for row in curve(1)]
    path.write_text("# source\nbpp\tpsnr_db\n" + "".join(points))
    assert "Not measured" in tables.published(ours(0.7), path)
    everywhere = [row for name in kodak.NAMES for row in ours(0.7, name)]
    assert "-30.0 %" in tables.published(everywhere, path)


def test_the_command_prints_a_section_of_each_kind_of_rows(tmp_path):
    network = {
        "width": 4,
        "depth": 2,
        "steps": 9,
        "parameters": 245,
        "size_percent": 0.2,
        "psnr_db": 20.0,
        "bytes": 999,
    }
    kinds = {
        "coordinate_rd": ours(0.5) + siren(1),
        "baselines": jpeg(1) + [row | {"codec": "jpeg2000", "label": "JPEG 2000"} for row in jpeg(1)],
        "thesis_capacity": [network],
        "thesis_jpeg": [network | {"image": "kodim04", "jpeg": {"bytes": 998, "psnr_db": 30.0}}],
    }
    for name, rows in kinds.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "coin_published.tsv").write_text("bpp\tpsnr_db\n0.0368\t22.408\n")
    text = "\n\n".join(tables.report(tmp_path))
    assert text.count("### coordinate:fast") == 4
    assert "-10.00" in text
    assert "JPEG 2000" not in text


def test_latent_files_are_averaged_by_lambda_and_held_against_the_classic_codecs(tmp_path):
    def write(name, rows):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    write("baselines", jpeg(1) + jpeg(1, "kodim08"))
    fitted = []
    for factor, name in ((1, "kodim04"), (3, "kodim08")):
        for i, row in enumerate(ours(factor / 2, name)):
            lambda_, weights = 0.01 / 2**i, 100 * factor
            added = {"settings": {"lambda_": lambda_}, "split": {"weights": weights}, "codec": "latent:fast"}
            fitted.append(row | added)
    write("latent_rd", fitted)
    text = "\n\n".join(tables.report(tmp_path))
    assert "| 0.01 | 2 | 1,000 | 200 | 20.00 | 1 | 0.5 | +0.0 |" in text
    assert "| kodim08 | +50.0 |" in text


def test_without_rows_the_command_says_what_to_run(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.tables", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "run experiments.coordinate_rd first" in done.stderr
    assert done.stderr.count("\n") == 1


def test_capacity_averages_seeds_and_leaves_diverged_fits_out():
    row = {"width": 3, "depth": 2, "parameters": 100, "size_percent": 1.5}
    chosen = [row | {"psnr_db": psnr} for psnr in (20.0, 21.0, None)]
    assert lines(thesis_capacity.table(chosen))[-1] == ["3 × 2", "100", "1.50", "20.50", "1.00", "2 of 3"]


def test_the_heat_map_is_drawn_with_gaps(tmp_path):
    row = {"parameters": 100, "size_percent": 1.5}
    chosen = [row | {"width": w, "depth": d, "psnr_db": p} for w, d, p in [(2, 1, 20.0), (3, 2, None)]]
    thesis_capacity.draw(chosen, str(tmp_path / "new" / "map.png"))
    assert (tmp_path / "new" / "map.png").read_bytes().startswith(b"\x89PNG")


def test_the_thesis_is_held_against_jpeg_photo_by_photo():
    row = {"image": "kodim04", "width": 8, "depth": 5, "steps": 9, "bytes": 86000, "psnr_db": 25.0}
    jpeg_ = {"jpeg": {"bytes": 85000, "psnr_db": 40.0}}
    cells = lines(thesis_jpeg.table([row | jpeg_, row | jpeg_ | {"psnr_db": 27.0}]))
    assert [line[-1] for line in cells[2:]] == ["-15.00", "-13.00", "-14.00"]


def test_markdown_has_as_many_cells_in_every_line():
    text = markdown.table(["a", "b"], [["1", markdown.number(None)], ["2", markdown.number(3.14159, ".2f")]])
    assert text == "| a | b |\n| :--- | ---: |\n| 1 | – |\n| 2 | 3.14 |"
