"""Run every test on the CPU, as 8 devices, and check arrays against the shapes that annotations declare."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import hypothesis
import jax
import jaxtyping
import numpy as np
import pytest

from dfm import codecs, image, registry

ROOT = Path(__file__).parent.parent
FAKE_CODECS = ROOT / "tests" / "fake_codecs"

_CHECKED = ("fourier", "network", "quantize", "exact", "metrics", "codecs")  # mathematics, beyond the border

_OPTIONS = {  # of jax, here and in commands that tests start
    "jax_platforms": "cpu",
    "jax_disable_most_optimizations": True,  # by XLA, which take longer than tests on tiny images gain
    "jax_compilation_cache_max_size": 10**9,  # bytes; without a limit JAX does not lock the folder
    "jax_persistent_cache_min_compile_time_secs": 2.0,
}

_CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"  # an int is a float

os.environ["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false"  # compiles in half the time
for _name, _value in _OPTIONS.items():
    os.environ[_name.upper()] = str(_value)
    jax.config.update(_name, _value)
jax.config.update("jax_num_cpu_devices", 8)
jaxtyping.install_import_hook([f"dfm.{name}" for name in _CHECKED], _CHECKER)
hypothesis.settings.register_profile("dfm", deadline=None)
hypothesis.settings.load_profile("dfm")


def pytest_configure(config: pytest.Config) -> None:
    """Let the workers of a session, and the commands that tests start, share what XLA compiles."""
    if not hasattr(config, "workerinput"):
        compiled = tempfile.TemporaryDirectory(prefix="dfm-compiled-")
        config.add_cleanup(compiled.cleanup)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = compiled.name
    jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])


@pytest.fixture(scope="module", autouse=True)
def forget_compiled():
    """Drop what a file compiled: each program maps memory, of which a process may have but so many pieces."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="module")
def made_networks() -> Iterator[None]:
    """Put made networks in place of the base networks of the latent codec."""
    from dfm.codecs.latent import weights
    from tests import streams

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "base", streams.networks)
        yield


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Add the codec `stored`, which keeps every pixel, to those of dfm."""
    monkeypatch.setattr(codecs, "__path__", [*codecs.__path__, str(FAKE_CODECS)])
    module = registry.get(codecs, "stored")
    module.seen.clear()
    return module


@pytest.fixture
def photo() -> np.ndarray:
    """Give 12 x 20 pixels of RGB noise."""
    return np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: np.ndarray, stored: ModuleType) -> Path:
    """Stand in an empty folder with one photo, in.png."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    image.write("in.png", photo)
    return tmp_path


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Give a folder of ten pictures of noise, 40 x 33 pixels."""
    random = np.random.default_rng(0)
    for i in range(10):
        image.write(tmp_path / f"{i}.png", random.integers(0, 256, (33, 40, 3), dtype=np.uint8))
    return tmp_path
