"""Sets of small images: the official layouts, written and served by the tests themselves."""

import functools
import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from dfm import image
from experiments import datasets

_RANDOM = np.random.default_rng(0)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


DIGITS = {
    f"train-{kind}": _RANDOM.integers(0, 256, shape, np.uint8)
    for kind, shape in (
        ("images-idx3", (5, 28, 28)),
        ("labels-idx1", (5,)),
    )
} | {
    f"t10k-{kind}": _RANDOM.integers(0, 256, shape, np.uint8)
    for kind, shape in (
        ("images-idx3", (3, 28, 28)),
        ("labels-idx1", (3,)),
    )
}
PHOTOS = {
    name: _RANDOM.integers(0, 256, (2, 3073), np.uint8)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
}


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Serve tiny sets in place of the official ones, to an empty folder of data."""
    place = tmp_path / "served"
    place.mkdir()
    hashes = {}
    for name, array in DIGITS.items():
        (place / f"{name}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
        hashes[f"mnist/{name}-ubyte.gz"] = idx(array)
    with tarfile.open(place / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for name, rows in PHOTOS.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = rows.nbytes
            archive.addfile(member, io.BytesIO(rows.tobytes()))
            hashes[f"cifar10/{member.name}"] = rows.tobytes()
    listed = tmp_path / "hashes.txt"
    listed.write_text(
        "".join(f"{name} {hashlib.sha256(data).hexdigest()}\n" for name, data in hashes.items())
    )
    monkeypatch.setenv("DFM_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(datasets, "_HASHES", listed)
    handler = functools.partial(Quiet, directory=str(place))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(datasets, "_URLS", dict.fromkeys(datasets.NAMES, address))
        yield tmp_path / "data"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_mnist_is_downloaded_once_and_read(served, monkeypatch):
    for _ in range(2):
        found = datasets.load("mnist")
        for split, part in ((found.train, "train"), (found.test, "t10k")):
            np.testing.assert_array_equal(split.images[..., 0], DIGITS[f"{part}-images-idx3"])
            np.testing.assert_array_equal(split.labels, DIGITS[f"{part}-labels-idx1"])
        monkeypatch.setattr(datasets, "_URLS", {"mnist": "http://127.0.0.1:1/"})
    assert sorted(path.name for path in (served / "mnist").iterdir()) == sorted(
        f"{n}-ubyte.gz" for n in DIGITS
    )


def test_cifar10_is_downloaded_and_read(served):
    found = datasets.load("cifar10")
    assert found.train.images.shape == (10, 32, 32, 3)
    rows = PHOTOS["test_batch"]
    np.testing.assert_array_equal(found.test.labels, rows[:, 0])
    np.testing.assert_array_equal(found.test.images[1, :, :, 2].ravel(), rows[1, 1 + 2048 :])
    np.testing.assert_array_equal(found.train.labels[2:4], PHOTOS["data_batch_2"][:, 0])


def test_digits_on_photos_are_of_the_same_part_of_both_sets(served):
    found = datasets.load("digits-on-photos")
    assert (len(found.train.images), len(found.test.images)) == (10, 2)
    for split, name in zip(found, ("train", "t10k"), strict=True):
        assert split.labels.shape == (*split.images.shape[:3],)
        digits = set(np.unique(split.labels)) - {0}
        assert digits <= {1 + label for label in DIGITS[f"{name}-labels-idx1"]}
    unchanged = (found.test.images == datasets.load("cifar10").test.images).mean()
    assert 0.1 < unchanged < 0.9


def test_what_is_absent_offline_is_named_with_where_to_put_it(served, monkeypatch):
    monkeypatch.setattr(datasets, "_URLS", {"mnist": "http://127.0.0.1:1/"})
    with pytest.raises(FileNotFoundError, match=r"mnist/train-images-idx3-ubyte.gz is absent.*DFM_DATA"):
        datasets.load("mnist")
    assert not list(served.rglob("*.gz"))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: b"no gzip", lambda data: gzip.compress(b"")]
)
def test_a_damaged_file_is_found(served, damage):
    datasets.load("mnist")
    path = served / "mnist" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte.gz is damaged.*remove it"):
        datasets.load("mnist")


def test_the_digits_need_no_file():
    found = datasets.load("digits")
    assert (found.train.images.shape, found.test.images.shape) == ((1500, 8, 8, 1), (297, 8, 8, 1))
    assert (found.train.images.min(), found.train.images.max()) == (0, 255)
    assert set(found.train.labels) == set(found.test.labels) == set(range(10))


@pytest.mark.parametrize("names", [["a", "b"], [""]])
def test_every_tenth_image_of_a_folder_is_for_tests(tmp_path, names):
    pixels = _RANDOM.integers(0, 256, (20, 6, 5, 3), np.uint8)
    for i, one in enumerate(pixels):
        place = tmp_path / names[i * len(names) // 20]
        place.mkdir(exist_ok=True)
        image.write(place / f"{i:02}.png", one)
    found = datasets.load(str(tmp_path))
    np.testing.assert_array_equal(found.test.images, pixels[9::10])
    np.testing.assert_array_equal(found.test.labels, range(2) if len(names) == 2 else [0, 0])
    assert found.train.labels.sum() == (9 if len(names) == 2 else 0)


def test_what_a_folder_lacks_is_said(tmp_path):
    image.write(tmp_path / "a.png", np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(ValueError, match="holds 1 images"):
        datasets.load(str(tmp_path))
    image.write(tmp_path / "b.png", np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(ValueError, match=r"a.png and .*b.png are 4x5x3 and 5x5x3"):
        datasets.load(str(tmp_path))


def test_an_unknown_set_is_refused_with_those_there_are():
    with pytest.raises(
        ValueError, match="choose mnist, fashion-mnist, cifar10, digits-on-photos, digits, or a folder"
    ):
        datasets.load("imagenet")


def test_every_official_file_has_a_checksum():
    names = [line.split()[0] for line in Path(datasets._HASHES).read_text().splitlines()]
    assert len(names) == len(set(names)) == 4 + 4 + 6
