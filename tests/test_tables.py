"""The tables of experiments/tables.py, from invented rows."""

import json
import subprocess
import sys

import pytest

from experiments import markdown, rows, tables, thesis_capacity, thesis_jpeg
from tests.test_rate_tables import jpeg, lines, ours, siren


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
    for name, measured in kinds.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in measured))
    (tmp_path / "coin_published.tsv").write_text("bpp\tpsnr_db\n0.0368\t22.408\n")
    shown = dict(tables.report(tmp_path))
    assert [name for name in shown if name.startswith("coordinate:fast ")] == list(shown)[:4]
    assert list(shown)[4:] == ["thesis_capacity", "thesis_jpeg"]
    assert "-10.00" in shown["thesis_jpeg"]
    assert "JPEG 2000" not in "".join(shown.values())


def test_latent_files_are_averaged_by_lambda_and_held_against_the_classic_codecs(tmp_path):
    def write(name, measured):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in measured))

    write("baselines", jpeg(1) + jpeg(1, "kodim08"))
    fitted = []
    for factor, name in ((1, "kodim04"), (3, "kodim08")):
        for i, row in enumerate(ours(factor / 2, name)):
            lambda_, weights = 0.01 / 2**i, 100 * factor
            added = {"settings": {"lambda_": lambda_}, "split": {"weights": weights}, "codec": "latent:fast"}
            fitted.append(row | added)
    write("latent_rd", fitted)
    shown = dict(tables.report(tmp_path))
    assert "| 0.01 | 2 | 1,000 | 200 | 20.00 | 1 | 0.5 | +0.0 |" in shown["latent:fast files"]
    assert "| kodim08 | +50.0 |" in shown["latent:fast BD-rates"]
    assert "| fast | 8 | 1 | +0.0 |" in shown["latent presets"]


def test_a_document_gets_the_tables_that_it_names_and_keeps_the_rest(tmp_path, capsys):
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- anomaly -->\nold\nlines\n<!-- /anomaly -->\nafter\n")
    tables.main([str(path)])
    held = dict(tables.report(rows.RESULTS))["anomaly"]
    assert path.read_text() == f"before\n<!-- anomaly -->\n{held}\n<!-- /anomaly -->\nafter\n"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ("<!-- nothing -->\n\n<!-- /nothing -->", "there is no table 'nothing'"),
        ("<!-- /anomaly -->", "the document lacks <!-- anomaly -->"),
    ],
)
def test_marks_without_a_table_are_an_error_of_one_line(marks, message, tmp_path):
    path = tmp_path / "page.md"
    path.write_text(marks)
    with pytest.raises(SystemExit, match=f"^tables: {message}"):
        tables.main([str(path)])
    assert path.read_text() == marks


def test_without_rows_the_command_says_what_to_run(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.tables", "--rows", str(tmp_path)], capture_output=True, text=True
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
