"""Load sets of small images: MNIST, Fashion-MNIST, CIFAR-10, digits on photos, scikit-learn's, and folders.

Files are looked for in the official layout under `cache.root()`, and downloaded where they are absent.
"""

import gzip
import hashlib
import os
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pooch
import requests
from jaxtyping import Int64, UInt8

from dfm import api, cache, console, image
from experiments import collages

NAMES = ("mnist", "fashion-mnist", "cifar10", "digits-on-photos", "digits")

_URLS = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "cifar10": "https://www.cs.toronto.edu/~kriz/",
}
_HASHES = Path(__file__).with_suffix(".txt")  # SHA-256 of what is in each file, unpacked where it ends in .gz
_CIFAR = "cifar10/cifar-10-batches-bin"
_TESTED = 10  # of the images of a folder, one in so many is for tests
_DIGITS = 1500  # of 1,797, the first, are for training; those who wrote the rest are nearly all others


class Split(NamedTuple):
    """Hold images and their classes, or those of their pixels, numbered from 0."""

    images: UInt8[np.ndarray, "n h w c"]
    labels: Int64[np.ndarray, "n ..."]


class Dataset(NamedTuple):
    """Hold what models are trained on, and what they are tested on."""

    train: Split
    test: Split


def load(name: str) -> Dataset:
    """Load a set by its name in `NAMES`, or the images of a folder by its path.

    Raises:
        OSError: files are absent and cannot be downloaded.
        ValueError: there is no such set; a file is damaged; images of a folder differ in size.
    """
    if name in ("mnist", "fashion-mnist"):
        return Dataset(*(_idx(name, part) for part in ("train", "t10k")))
    if name == "cifar10":
        return Dataset(_cifar([f"data_batch_{i}.bin" for i in range(1, 6)]), _cifar(["test_batch.bin"]))
    if name == "digits-on-photos":
        pairs = zip(load("cifar10"), load("mnist"), strict=True)
        return Dataset(
            *(Split(*collages.paste(a.images, *b, seed=seed)) for seed, (a, b) in enumerate(pairs))
        )
    if name == "digits":
        return _digits()
    if os.path.isdir(name):
        return _folder(Path(name))
    raise ValueError(f"there is no data set {name!r}; choose {', '.join(NAMES)}, or a folder of images")


def _idx(name: str, part: str) -> Split:
    """Read images and labels in the format of MNIST."""
    arrays = []
    for kind in ("images-idx3", "labels-idx1"):
        file = f"{name}/{part}-{kind}-ubyte.gz"
        if not (cache.root() / file).exists():
            _download(_URLS[name] + Path(file).name, file)
        data = _content(file)
        sides = np.frombuffer(data, ">u4", data[3], 4)
        arrays.append(np.frombuffer(data, np.uint8, offset=4 + 4 * len(sides)).reshape(sides))
    return Split(arrays[0][..., None], arrays[1].astype(np.int64))


def _cifar(files: list[str]) -> Split:
    if not all((cache.root() / _CIFAR / file).exists() for file in files):
        _download(_URLS["cifar10"] + "cifar-10-binary.tar.gz", "cifar10/cifar-10-binary.tar.gz")
    data = b"".join(_content(f"{_CIFAR}/{file}") for file in files)
    rows = np.frombuffer(data, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    images = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Split(np.ascontiguousarray(images), rows[:, 0].astype(np.int64))


def _digits() -> Dataset:
    from sklearn import datasets

    pixels, labels = datasets.load_digits(return_X_y=True)
    images = np.rint(pixels.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    labels = labels.astype(np.int64)
    return Dataset(Split(images[:_DIGITS], labels[:_DIGITS]), Split(images[_DIGITS:], labels[_DIGITS:]))


def _folder(place: Path) -> Dataset:
    """Read all images of a folder; its folders, if any, are the classes."""
    paths = sorted(path for path in place.rglob("*") if path.is_file() and image.readable(path))
    if len(paths) < 2:
        raise ValueError(f"{place} holds {len(paths)} images; two are needed, one of them for tests")
    classes = sorted({path.relative_to(place).parts[0] for path in paths if path.parent != place})
    images = [image.read(path) for path in paths]
    other = next((i for i, pixels in enumerate(images) if pixels.shape != images[0].shape), None)
    if other is not None:
        sizes = " and ".join("x".join(map(str, images[i].shape)) for i in (0, other))
        raise ValueError(f"{paths[0]} and {paths[other]} are {sizes}; bring all to one size and mode")
    stacked = np.stack([np.atleast_3d(pixels) for pixels in images])
    labels = np.array(
        [0 if path.parent == place else classes.index(path.relative_to(place).parts[0]) for path in paths]
    )
    tested = np.arange(len(paths)) % _TESTED == min(_TESTED, len(paths)) - 1
    return Dataset(Split(stacked[~tested], labels[~tested]), Split(stacked[tested], labels[tested]))


def _content(file: str) -> bytes:
    """Read a file, unpacked where it ends in .gz, and check it."""
    path, hashes = cache.root() / file, dict(line.split() for line in _HASHES.read_text().splitlines())
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error):
        data = b""
    if hashlib.sha256(data).hexdigest() != hashes[file]:
        raise ValueError(f"{path} is damaged: its checksum is another; remove it, and it is downloaded again")
    return data


def _download(url: str, file: str) -> None:
    """Download a file, unpacked where it is an archive."""
    path = cache.root() / file
    unpack = pooch.Untar(extract_dir=".") if path.name.endswith(".tar.gz") else None
    pooch.get_logger().setLevel("WARNING")
    try:
        with console.progress() as show:
            bar = _Bar(path.name, show)
            loader = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16)
            pooch.retrieve(url, None, path.name, path.parent, processor=unpack, downloader=loader)
    except requests.RequestException as error:
        raise FileNotFoundError(
            f"{path} is absent, and {url} cannot be reached ({type(error).__name__}); save it there, "
            "or set DFM_DATA to a folder that holds it"
        ) from None


class _Bar:
    """Show the progress of a download as pooch tells it."""

    total = 0

    def __init__(self, name: str, show: api.Progress | None) -> None:
        self._name, self._show, self._done = name, show, 0

    def update(self, count: int) -> None:
        """Count more bytes."""
        self._done += count
        if self._show:
            self._show(min(1.0, self._done / max(self.total, 1)), f"downloading {self._name}")

    def reset(self) -> None:
        """Start again."""
        self._done = 0

    def close(self) -> None:
        """End."""
