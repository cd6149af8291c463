"""The command line as a user meets it: what it writes, says and returns."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dfm
from dfm import cli, image

ROOT = Path(__file__).parent.parent
CHELSEA = ROOT / "experiments" / "photos" / "chelsea.png"


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def encode(*args):
    return cli.run(["encode", *args, "--codec", "stored"])


def fails(capsys, code, reason):
    """Check that a command failed with one line that gives the reason."""
    captured = capsys.readouterr()
    assert code == 1
    assert captured.out == ""
    assert captured.err.startswith("dfm: ")
    assert captured.err.count("\n") == 1
    assert len(captured.err) < 300
    assert reason in captured.err
    return True


def test_encode_and_decode_write_beside_their_input(folder, photo, capsys):
    assert encode("in.png") == 0
    assert listing(folder) == ["in.dfm", "in.png"]
    Path("in.png").unlink()
    assert cli.run(["decode", "in.dfm"]) == 0
    np.testing.assert_array_equal(image.read("in.png"), photo)
    lines = capsys.readouterr().out.splitlines()
    size = Path("in.dfm").stat().st_size
    assert lines[0].startswith(
        f"in.dfm: 20 x 12 pixels, RGB, {size} bytes, {8 * size / 240:.4f} bits per pixel, no loss, "
    )
    assert lines[1] == "in.png: 20 x 12 pixels, RGB"


def test_json_has_the_keys_of_the_design(folder, capsys, monkeypatch):
    monkeypatch.setattr(dfm, "decode", lambda data: 255 - image.read("in.png"))
    assert encode("in.png", "--json", "--preset", "best") == 0
    facts = json.loads(capsys.readouterr().out)
    size = Path("in.dfm").stat().st_size
    psnr, seconds = facts.pop("psnr_db"), facts.pop("seconds")
    assert facts == {
        "codec": "stored",
        "preset": "best",
        "width": 20,
        "height": 12,
        "channels": 3,
        "bytes": size,
        "bpp": 8 * size / 240,
        "split": {"header": 18, "weights": 0, "latents": size - 18},
    }
    assert 0 < psnr < 30
    assert 0 < seconds < 60


def test_json_of_a_lossless_file_has_no_psnr(folder, capsys):
    assert encode("in.png", "--json") == 0
    assert json.loads(capsys.readouterr().out)["psnr_db"] is None


def test_info_tells_what_dfm_info_does(folder, capsys):
    encode("in.png")
    capsys.readouterr()
    assert cli.run(["info", "in.dfm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == dfm.info(Path("in.dfm").read_bytes())
    assert cli.run(["info", "in.dfm"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "in.dfm: 20 x 12 pixels, RGB"
    assert [line.split()[0] for line in lines[1:]] == ["codec", "bytes", "network"]


def test_options_reach_the_codec(folder, stored):
    assert encode("in.png", "--min-psnr", "31.5", "--seed", "7", "--preset", "best") == 0
    [(config, target, seed)] = stored.seen
    assert (config, target.min_psnr, seed) == (stored.PRESETS["best"], 31.5, 7)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        (["--size", "5x4"], (4, 5, 3)),
        (["--scale", "1.5"], (18, 30, 3)),
        (["--region", "1,2,3,4"], (4, 3, 3)),
        (["--scale", "2", "--region", "30,20,10,4"], (4, 10, 3)),
    ],
)
def test_decode_at_any_size_and_of_any_region(folder, options, shape):
    encode("in.png")
    assert cli.run(["decode", "in.dfm", "-o", "out.png", *options]) == 0
    assert image.read("out.png").shape == shape


def test_an_output_that_is_named_replaces_a_file(folder):
    Path("out.dfm").write_bytes(b"old")
    assert encode("in.png", "-o", "out.dfm") == 0
    assert dfm.info(Path("out.dfm").read_bytes())["width"] == 20


def test_a_device_is_written_and_stays(folder):
    assert encode("in.png", "-o", os.devnull) == 0
    assert not Path(os.devnull).is_file()


def test_an_output_that_is_not_named_replaces_nothing(folder, capsys):
    original = Path("in.png").read_bytes()
    assert encode("in.png") == 0
    coded = Path("in.dfm").read_bytes()
    capsys.readouterr()
    assert fails(capsys, encode("in.png"), "in.dfm exists already; to replace it, name it with -o")
    assert fails(capsys, cli.run(["decode", "in.dfm"]), "in.png exists already")
    assert (Path("in.png").read_bytes(), Path("in.dfm").read_bytes()) == (original, coded)


def test_the_input_itself_is_never_replaced(folder, capsys):
    original = Path("in.png").read_bytes()
    Path("link").symlink_to("in.png")
    for output in ("in.png", "./in.png", "link"):
        assert fails(capsys, encode("in.png", "-o", output), "is the input itself")
    assert fails(capsys, cli.run(["decode", "in.png"]), "in.png is the input itself; name another with -o")
    assert Path("in.png").read_bytes() == original


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes there")
def test_a_name_that_the_output_cannot_write_is_shown_by_its_bytes(folder):
    golden = next((ROOT / "tests" / "golden").glob("*.dfm"))
    shutil.copy(golden, os.fsdecode(b"\xff.dfm"))
    environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    command = [sys.executable, "-m", "dfm", "decode", os.fsdecode(b"\xff.dfm")]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("\\udcff.png: ")


def test_python_m_dfm_is_the_command(tmp_path):
    result = subprocess.run([sys.executable, "-m", "dfm", "--version"], capture_output=True, text=True)
    assert result.stdout == f"dfm {dfm.__version__}\n"


def test_compare_hands_its_arguments_on(monkeypatch):
    from dfm import compare

    calls = []
    monkeypatch.setattr(compare, "run", lambda *args, **options: calls.append((*args, options)))
    assert cli.run(["compare", "a.png", "b.png", "--codecs", "jpeg,webp", "--report", "out"]) == 0
    assert cli.run(["compare", "a.png"]) == 0
    assert calls == [
        (["a.png", "b.png"], ["jpeg", "webp"], {"report_dir": "out", "progress": None}),
        (["a.png"], None, {"report_dir": None, "progress": None}),
    ]
