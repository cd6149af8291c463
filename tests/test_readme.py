"""Run what the README says, on a small photo and with the preset `fast` cut to 25 steps."""

import importlib.metadata
import importlib.util
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dfm import cli, image
from dfm.codecs import latent
from experiments import demo, markdown, rows, tables

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
DOCUMENTS += sorted((ROOT / "docs").glob("*.md"))
PILLOW_TABLES = ("ID", "OPEN", "SAVE", "EXTENSION", "DECODERS")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def lines(prefix):
    return [line for block in blocks("sh") for line in block.splitlines() if line.startswith(prefix)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with photo.png, 48 x 32 pixels of the bundled photo, and leave Pillow as it was."""
    image.write(tmp_path / "photo.png", image.read(demo.PHOTO)[100:132, 140:188])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(latent.PRESETS, "fast", latent.Config(steps=25))
    Image.init()
    for table in PILLOW_TABLES:
        monkeypatch.setattr(Image, table, getattr(Image, table).copy())
    return tmp_path


def test_the_python_runs(folder):
    namespace = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), namespace)
    photo, decoded = namespace["photo"], namespace["decoded"]
    assert namespace["metrics"].psnr(photo, decoded) > namespace["metrics"].psnr(
        photo, np.full_like(photo, 128)
    )
    assert len(namespace["data"]) <= 2000
    assert image.read("large.png").shape == (64, 96, 3)
    np.testing.assert_array_equal(image.read("corner.png"), decoded[:16, :16])
    assert image.read("thumbnail.png").shape == (16, 24, 3)


def test_the_command_lines_run(folder):
    for line in lines("dfm "):
        assert cli.main(shlex.split(line)[1:]) == 0, line
    assert image.read("small.png").shape == (32, 48, 3)
    assert image.read("part.png").shape == (64, 64, 3)
    assert (folder / "report" / "report.html").stat().st_size > 0


def test_there_are_python_blocks_and_command_lines():
    assert len(blocks("python")) >= 2
    assert {line.split()[1] for line in lines("dfm ")} == {"encode", "decode", "info", "compare"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(path):
    links = [
        link for link in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")) if "://" not in link
    ]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_named_module_exists():
    named = {
        name for path in DOCUMENTS for name in re.findall(r"python -m ([\w.]+)", path.read_text("utf-8"))
    }
    assert "experiments.demo" in named
    assert [name for name in named if importlib.util.find_spec(name) is None] == []


def test_every_make_target_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in DOCUMENTS:
        assert set(re.findall(r"^    make (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)) <= targets


@pytest.fixture(scope="module")
def of_rows():
    return dict(tables.report(rows.RESULTS))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_tables_are_those_of_the_rows(path, of_rows):
    document = path.read_text(encoding="utf-8")
    assert tables.fill(document, of_rows) == document


def test_texts_show_the_tables_that_matter():
    shown = {name for path in DOCUMENTS for name in markdown.names(path.read_text(encoding="utf-8"))}
    assert shown >= {"demo", "latent presets", "latent:fast BD-rates", "latent:balanced BD-rates", "overview"}
    assert {row["budget_bytes"] for row in rows.read(rows.RESULTS / "demo.jsonl")} == {demo.MAX_BYTES}


def test_the_version_is_the_same_everywhere():
    import dfm

    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert importlib.metadata.version("dfm") == dfm.__version__ == cited[1]


def test_the_picture_is_small():
    assert (ROOT / "docs" / "demo.png").stat().st_size < 200_000
