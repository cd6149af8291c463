"""Hold the interface of comparisons: names, byte budgets, gray and alpha in formats without them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dfm
from dfm import codecs, contestant, image, metrics, registry

CHELSEA = Path(__file__).parent.parent / "experiments" / "photos" / "chelsea.png"


@dataclass(frozen=True, kw_only=True)
class Setting:
    size: int


def sized(sizes):
    """Make a contestant whose files have the given sizes, and the list of what it was asked to encode."""
    asked = []

    def encode(pixels, setting):
        asked.append(setting.size)
        return bytes(setting.size)

    settings = [Setting(size=size) for size in sizes]
    entry = contestant.Contestant(
        name="sized",
        label="Sized",
        sweep=lambda shape: settings,
        ladder=lambda max_bytes: settings,
        encode=encode,
        decode=lambda data: np.zeros((1, 1, 3), np.uint8),
    )
    return entry, asked


def crop(channels):
    rgb = image.read(CHELSEA)[100:148, 150:214]
    alpha = np.broadcast_to(np.linspace(250, 128, 64).astype(np.uint8)[:, None], (48, 64, 1))
    color = rgb if channels > 2 else rgb[..., 1:2]
    return np.concatenate([color, alpha], axis=2) if channels % 2 == 0 else color


@given(st.lists(st.integers(1, 999), min_size=1, max_size=300).map(sorted), st.integers(0, 1000))
def test_fit_gives_the_largest_file_within_the_budget_or_the_smallest(sizes, budget):
    entry, asked = sized(sizes)
    file = contestant.fit(entry, np.zeros((1, 1, 3), np.uint8), budget)
    assert len(file.data) == file.setting.size == max([s for s in sizes if s <= budget], default=sizes[0])
    assert len(asked) <= 1 + np.ceil(np.log2(len(sizes)))


@pytest.mark.parametrize("name", ["jpeg", "jpeg:flat", "webp", "jpeg2000"])
def test_fit_leaves_no_room_for_the_next_quality(name):
    entry, pixels = contestant.named(name), crop(3)
    file = contestant.fit(entry, pixels, 1500)
    ladder = entry.ladder(1500)
    following = ladder[ladder.index(file.setting) + 1]
    assert len(file.data) <= 1500 < len(entry.encode(pixels, following))
    assert file.data == entry.encode(pixels, file.setting)
    assert file.seconds > 0


def test_a_default_comparison_has_every_codec_on_disk():
    names = contestant.default()
    assert {name.partition(":")[0] for name in names} == set(registry.names(codecs))
    assert names[0] == "jpeg"
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "label"),
    [("jpeg", "JPEG 4:2:0"), ("jpeg:4:4:4", "JPEG 4:4:4"), ("avif:iq", "AVIF iq"), ("webp", "WebP 4:2:0")],
)
def test_a_name_is_a_codec_with_or_without_a_variant(name, label):
    entry = contestant.named(name)
    assert (entry.name, entry.label) == (name, label)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gif", r"'gif' is not in codecs; choose one of .*avif.*webp"),
        ("jpeg:5:5:5", r"jpeg has no '5:5:5'; choose one of 4:2:0, 4:4:4, flat"),
        ("coordinate:slow", r"coordinate has no 'slow'; choose one of .*balanced"),
        ("_pillow", r"'_pillow' is not in codecs"),
    ],
)
def test_what_is_no_codec_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        contestant.named(name)


@pytest.mark.parametrize("name", ["webp", "avif"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_format_without_gray_carries_it_as_rgb(name, channels):
    entry, gray = contestant.named(name), crop(channels)
    data = entry.encode(gray, entry.sweep(gray.shape)[-1])
    decoded = contestant.conform(entry.decode(data), channels)
    assert metrics.psnr(gray, decoded) > 35


@pytest.mark.parametrize("name", ["webp", "avif", "jpeg2000"])
@pytest.mark.parametrize("channels", [2, 4])
def test_an_opaque_alpha_comes_back(name, channels):
    pixels = crop(channels).copy()
    pixels[..., -1] = 255
    entry = contestant.named(name)
    decoded = contestant.conform(entry.decode(entry.encode(pixels, entry.sweep(pixels.shape)[-1])), channels)
    assert decoded.shape == pixels.shape
    assert np.abs(decoded[..., -1].astype(int) - 255).max() <= 3


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_has_its_channels_stays(channels):
    np.testing.assert_array_equal(contestant.conform(crop(channels), channels), crop(channels))


@pytest.mark.parametrize("channels", [2, 4])
def test_jpeg_refuses_alpha(channels):
    entry = contestant.named("jpeg")
    with pytest.raises(ValueError, match=r"JPEG has no .*; give gray or RGB"):
        contestant.fit(entry, crop(channels), 1000)


def test_a_codec_of_dfm_files_competes_by_budgets(stored):
    entry, gray = contestant.named("stored:best"), np.zeros((40, 80, 1), np.uint8)
    assert entry.sweep((40, 80, 3)) == [contestant.Budget(max_bytes=int(b * 400)) for b in (0.05, 0.15, 0.45)]
    file = contestant.fit(entry, gray, 90)
    (config, target, _) = stored.seen[0]
    assert len(stored.seen) == 1
    assert config == stored.PRESETS["best"]
    assert len(file.data) <= 90
    assert target.max_bytes < 90
    np.testing.assert_array_equal(entry.decode(file.data), gray)
    assert dfm.info(file.data)["codec"] == "stored"


def test_a_codec_of_dfm_files_takes_its_balanced_preset(stored):
    assert contestant.named("stored").label == "stored balanced"
