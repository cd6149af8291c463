"""The command line as a user meets it: what it writes, says and returns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


def misused(capsys, *argv):
    with pytest.raises(SystemExit) as error:
        cli.run(argv)
    assert error.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1]


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
    assert Path("in.png").read_bytes() == original


def bad_images(folder):
    Image.fromarray(np.zeros((2, 2), np.uint16)).save(folder / "deep.png")
    frames = [Image.new("RGB", (2, 2), color) for color in ("red", "blue")]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    (folder / "folder.png").mkdir()
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("Hello\n")
    (folder / "cut.png").write_bytes(CHELSEA.read_bytes()[:50_000])
    (folder / "coded.dfm").write_bytes(b"\x89dfm\r\n")
    return {
        "deep.png": "more than 8 bits",
        "moving.gif": "2 frames",
        "folder.png": "holds no image that Pillow reads",
        "empty.png": "is empty",
        "text.png": "is no image",
        "cut.png": "truncated",
        "coded.dfm": "decode it first",
        "missing.png": "missing.png: No such file or directory",
        "two\nlines.png": "lines.png: No such file or directory",
    }


def test_bad_images_give_one_line_and_no_file(folder, capsys):
    for name, reason in bad_images(folder).items():
        before = listing(folder)
        assert fails(capsys, encode(name, "-o", "out.dfm"), reason)
        assert listing(folder) == before


def test_bad_dfm_files_give_one_line_and_no_file(folder, capsys):
    encode("in.png")
    capsys.readouterr()
    whole = Path("in.dfm").read_bytes()
    Path("folder.dfm").mkdir()
    files = {
        "cut": whole[:-3],
        "longer": whole + b"x",
        "empty": b"",
        "flipped": whole[:40] + b"!" + whole[41:],
    }
    files |= {"photo": CHELSEA.read_bytes(), "text": b"Hello\n"}
    for name, data in files.items():
        Path(f"{name}.dfm").write_bytes(data)
    before = listing(folder)
    for name in [*files, "folder", "missing"]:
        assert fails(capsys, cli.run(["decode", f"{name}.dfm"]), f"dfm: {name}.dfm: ")
        assert fails(capsys, cli.run(["info", f"{name}.dfm"]), f"dfm: {name}.dfm: ")
    assert listing(folder) == before


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("none/out.dfm", "none: no such folder; create it first"),
        (".", "is a folder"),
        ("in.png/out.dfm", "in.png: no such folder"),
    ],
)
def test_outputs_that_cannot_be_written_fail_before_the_work(folder, capsys, stored, output, reason):
    assert fails(capsys, encode("in.png", "-o", output), reason)
    assert stored.seen == []


def test_a_read_only_folder_fails_before_the_work(folder, capsys, stored, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write whatever the mode says
    assert fails(capsys, encode("in.png"), "in.dfm: Permission denied")
    assert stored.seen == []


def test_a_device_is_written_and_stays(folder):
    assert encode("in.png", "-o", os.devnull) == 0
    assert not Path(os.devnull).is_file()


def test_an_empty_name_is_no_output(folder, capsys):
    Path("in.dfm").write_bytes(b"old")
    assert fails(capsys, encode("in.png", "-o", ""), "is a folder; name a file with -o")
    assert Path("in.dfm").read_bytes() == b"old"


def test_an_unknown_suffix_fails_before_the_work(folder, capsys, monkeypatch):
    encode("in.png")
    capsys.readouterr()
    monkeypatch.setattr(dfm, "decode", None)
    assert fails(capsys, cli.run(["decode", "in.dfm", "-o", "out.docx"]), "Pillow writes no .docx files")


def test_a_target_out_of_reach_gives_one_line_and_no_file(folder, capsys):
    assert fails(capsys, encode("in.png", "--max-bytes", "100"), "bytes are too few; allow")
    assert listing(folder) == ["in.png"]


def test_a_view_outside_the_image_gives_one_line_and_no_file(folder, capsys):
    encode("in.png")
    capsys.readouterr()
    for options in (["--region", "15,0,10,10"], ["--scale", "1e9"]):
        assert fails(capsys, cli.run(["decode", "in.dfm", "-o", "out.png", *options]), "")
    assert listing(folder) == ["in.dfm", "in.png"]


def test_a_full_disk_gives_one_line_and_keeps_the_old_file(folder, capsys, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    Path("out.dfm").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    assert fails(capsys, encode("in.png", "-o", "out.dfm"), "out.dfm: No space left on device")
    assert Path("out.dfm").read_bytes() == b"old"
    assert listing(folder) == ["in.png", "out.dfm"]


@pytest.mark.parametrize("moment", ["stored.encode", "os.fsync"])
def test_ctrl_c_leaves_nothing_behind(folder, capsys, monkeypatch, stored, moment):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(*((stored, "encode") if moment == "stored.encode" else (os, "fsync")), interrupt)
    assert encode("in.png") == 130
    assert capsys.readouterr() == ("", "")
    assert listing(folder) == ["in.png"]


def test_a_terminal_gets_no_bytes_of_a_file(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert fails(capsys, encode("in.png", "-o", "-"), "standard output is a terminal")


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("encode",),
        ("decode",),
        ("info",),
        ("compare",),
        ("unknown", "in.png"),
        ("encode", "in.png", "--unknown"),
        ("encode", "in.png", "--pre", "fast"),
        ("encode", "in.png", "--lambda", "1", "--max-bpp", "1"),
        ("encode", "in.png", "--max-bytes", "1", "--min-psnr", "1"),
        *(
            ("encode", "in.png", option, "0")
            for option in ("--lambda", "--max-bpp", "--max-bytes", "--min-psnr")
        ),
        *(
            ("encode", "in.png", option, "nan")
            for option in ("--lambda", "--max-bpp", "--max-bytes", "--min-psnr")
        ),
        ("encode", "in.png", "--max-bytes", "1.5"),
        ("encode", "in.png", "--seed", "-1"),
        ("encode", "in.png", "--codec", "none"),
        ("encode", "in.png", "--codec", "jpeg"),
        ("encode", "in.png", "--preset", "none"),
        ("encode", "in.png", "--json", "-o", "-"),
        ("encode", "-", "--json"),
        ("decode", "in.dfm", "--size", "1x1", "--scale", "1"),
        *(
            ("decode", "in.dfm", "--size", size)
            for size in ("10", "10x", "0x5", "-1x5", "1.5x2", "axb", "1x2x3")
        ),
        *(("decode", "in.dfm", "--region", region) for region in ("1,2,3", "0,0,0,5", "a,b,c,d", "1;2;3;4")),
        ("decode", "in.dfm", "--scale", "0"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(capsys, argv):
    assert ": error: " in misused(capsys, *argv)


def test_wrong_choices_are_answered_with_the_right_ones(capsys, stored):
    assert "choose one of balanced, best" in misused(
        capsys, "encode", "x", "--codec", "stored", "--preset", "fast"
    )
    assert "choose one of " in misused(capsys, "encode", "x", "--codec", "none")


def test_version_and_help_are_printed(capsys):
    for argv in (
        ["--version"],
        ["--help"],
        ["encode", "--help"],
        ["decode", "--help"],
        ["compare", "--help"],
    ):
        with pytest.raises(SystemExit) as error:
            cli.run(argv)
        assert error.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"dfm {dfm.__version__}\n")
    options = (
        "--lambda --max-bpp --max-bytes --min-psnr --seed --json --size --scale --region --codecs --report"
    )
    assert all(option in out for option in options.split())


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
