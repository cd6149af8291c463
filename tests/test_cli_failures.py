"""A command that fails says why in one line, and leaves nothing half-written."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dfm
from dfm import cli
from tests.test_cli import CHELSEA, encode, fails, listing


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
