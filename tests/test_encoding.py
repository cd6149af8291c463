"""The images of a folder, encoded by one command."""

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

import jax
import numpy as np
import pytest

import dfm
from dfm import arguments, cli, encoding, image
from tests.test_cli import encode, fails, listing


@pytest.fixture
def photos(folder):
    """Make a folder of four images, two of them of one size, beside a file that is none."""
    random, place = np.random.default_rng(0), Path("photos")
    place.mkdir()
    for name, shape in (("a.png", (9, 7, 3)), ("b.png", (9, 7, 3)), ("c.bmp", (5, 6, 3)), ("d.tiff", (3, 3))):
        image.write(place / name, random.integers(0, 256, shape, dtype=np.uint8))
    (place / "notes.txt").write_text("no image")
    return place


def test_every_image_of_a_folder_becomes_a_file(photos, capsys):
    assert encode("photos", "-o", "small") == 0
    assert listing(Path("small")) == ["a.dfm", "b.dfm", "c.dfm", "d.dfm"]
    for path in photos.glob("[abcd].*"):
        coded = Path("small") / f"{path.stem}.dfm"
        np.testing.assert_array_equal(dfm.decode(coded.read_bytes()), image.read(path))
    *lines, last = capsys.readouterr().out.splitlines()
    assert sorted(line.split(":")[0] for line in lines) == [f"small/{name}.dfm" for name in "abcd"]
    assert last == "4 of 4 images encoded; the others had files already"


def test_the_files_stand_beside_their_images_without_an_output(photos):
    assert encode("photos") == 0
    assert {"a.dfm", "b.dfm", "c.dfm", "d.dfm"} < set(listing(photos))


def test_the_same_command_resumes(photos, capsys):
    encode("photos")
    Path("photos/b.dfm").unlink()
    Path("photos/a.dfm").write_bytes(b"kept")
    capsys.readouterr()
    assert encode("photos") == 0
    assert Path("photos/a.dfm").read_bytes() == b"kept"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("photos/b.dfm: ")
    assert lines[1:] == ["1 of 4 images encoded; the others had files already"]
    assert encode("photos") == 0


def test_json_is_a_line_an_image(photos, capsys):
    assert encode("photos", "--json") == 0
    facts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(fact["output"] for fact in facts) == [f"photos/{name}.dfm" for name in "abcd"]


def test_a_broken_image_is_named_and_the_others_are_encoded(photos, capsys):
    Path("photos/b.png").write_bytes(b"broken")
    assert encode("photos") == 1
    assert {"a.dfm", "c.dfm", "d.dfm"} < set(listing(photos))
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("dfm: photos/b.png: ")
    assert last == "dfm: 1 of 4 images could not be encoded; see above"


def test_a_folder_does_not_go_to_standard_output(photos, capsys):
    assert fails(capsys, encode("photos", "-o", "-"), "name a folder with -o")


def test_an_output_that_closes_ends_the_command_and_blames_no_image(photos, capsys, monkeypatch):
    def report(*arguments, **others):
        raise BrokenPipeError

    monkeypatch.setattr(encoding, "report", report)
    assert encode("photos", "-o", "out") == 1
    assert capsys.readouterr().err == ""


def test_too_little_memory_for_an_image_is_told_in_one_line(photos, capsys, monkeypatch, stored):
    def exhausted(*arguments, **others):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.")

    monkeypatch.setattr(stored, "encode", exhausted)
    assert encode("photos", "-o", "out") == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4 + 1
    assert "need more memory than the device has" in told[0]


def test_images_are_encoded_one_on_each_device_at_a_time(photos, stored, monkeypatch):
    found, together, told = jax.devices()[:2], threading.Barrier(2, timeout=20), []
    used, free = [], queue.SimpleQueue()
    for device in found:
        free.put(device)
    encode = stored.encode

    def waiting(*given, **named):
        used.append(jax.config.jax_default_device)
        if len(used) <= 2:
            together.wait()
        return encode(*given, **named)

    monkeypatch.setattr(stored, "encode", waiting)
    monkeypatch.setattr(encoding, "_devices", lambda images: free)
    asked = arguments.parse(["encode", "photos", "--codec", "stored"])
    encoding.folder(asked, lambda fraction, text: told.append(fraction))
    assert set(used[:2]) == set(found)
    assert max(told) == 1
    assert len({fraction for fraction in told if fraction < 1}) > 3


def test_a_folder_without_images_is_an_error(folder, capsys):
    Path("empty").mkdir()
    assert fails(capsys, encode("empty"), "empty holds no image that Pillow reads")


def test_two_images_of_one_name_are_an_error(photos, capsys):
    image.write("photos/a.webp", np.zeros((2, 2), np.uint8))
    assert fails(capsys, encode("photos"), "a.png and a.webp would both become a.dfm; rename one")
    assert not list(photos.glob("*.dfm"))


def test_an_output_that_is_a_file_is_an_error(photos, capsys):
    Path("taken").write_bytes(b"x")
    assert fails(capsys, encode("photos", "-o", "taken"), "taken")
    assert cli.run(["encode", "photos", "--codec", "stored", "-o", "new/deep"]) == 0


def test_compiled_code_is_kept_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    encoding.keep_compilations()
    assert Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).parent == tmp_path / "dfm" / "compiled"
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
    encoding.keep_compilations()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "mine"


def test_what_one_process_compiles_is_there_for_the_next(tmp_path):
    program = (
        "from dfm import encoding; encoding.keep_compilations()\n"
        "import jax; jax.jit(lambda x: x @ x)(jax.numpy.ones((3, 3)))"
    )
    settings = {"XDG_CACHE_HOME": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    given = {name: value for name, value in os.environ.items() if not name.startswith("JAX_COMPILATION")}
    subprocess.run([sys.executable, "-c", program], env=given | settings, check=True)
    assert any("lambda" in path.name for path in (tmp_path / "dfm" / "compiled").rglob("*"))
