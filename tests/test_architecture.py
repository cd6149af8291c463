"""Rules of design.md and style.md that a machine can hold."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dfm
from tests.conftest import FAKE_CODECS

ROOT = Path(__file__).parent.parent
LAYERS = ("dfm", "models", "experiments", "tests")  # each may import those before it
FILES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
SOURCES = [path for path in FILES if path.relative_to(ROOT).parts[0] != "tests"]
HEAVY = ("jax", "jaxlib", "flax", "optax", "orbax", "matplotlib", "scipy", "bjontegaard")

DECODING = f"""
import sys
sys.modules.update(dict.fromkeys({HEAVY!r}))  # None makes an import fail
from pathlib import Path
import dfm
from dfm import cli, codecs
codecs.__path__.append({str(FAKE_CODECS)!r})
for name in sys.argv[1:]:
    data = Path(name).read_bytes()
    dfm.info(data)
    dfm.decode(data, region=(0, 0, 1, 1))
    assert cli.main(["info", name]) == 0
    assert cli.main(["decode", name, "-o", "out.png", "--scale", "0.1"]) == 0
import dfm.codecs.coordinate, dfm.pillow_plugin
"""


def test_tests_run_on_8_simulated_devices():
    import jax

    assert [device.platform for device in jax.devices()] == ["cpu"] * 8


def relative(path):
    return str(path.relative_to(ROOT))


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("." * node.level) + (node.module or "")


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_point_one_way(path):
    layer = path.relative_to(ROOT).parts[0]
    above = LAYERS[LAYERS.index(layer) + 1 :]
    for name in imported(ast.parse(path.read_text())):
        assert name.partition(".")[0] not in above, f"{relative(path)} imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_file_is_one_noun_and_its_functions_are_short(path):
    text = path.read_text()
    assert path.stem not in ("utils", "util", "helpers", "common", "misc", "base")
    assert text.count("\n") <= 200
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{node.name} is too long"


def test_configs_are_toml_alone():
    assert {path.suffix for path in (ROOT / "configs").rglob("*") if path.is_file()} <= {".toml"}


def test_the_package_exports_names_and_defines_nothing():
    body = ast.parse((ROOT / "dfm" / "__init__.py").read_text()).body
    assert not [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert [name for name in dfm.__all__ if not hasattr(dfm, name)] == []


def test_decoding_needs_no_training_library(tmp_path, stored):
    coded = tmp_path / "stored.dfm"
    coded.write_bytes(dfm.encode(np.zeros((30, 20), np.uint8), "stored"))
    files = [coded, *sorted((ROOT / "tests" / "golden").rglob("*.dfm"))]
    result = subprocess.run(
        [sys.executable, "-c", DECODING, *files],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")
