import contextlib
import re
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dfm
from dfm import container
from experiments import fuzz

CASES, PARTS = 20_000, 2
HANG = 600  # seconds for a part, which takes 20 on an idle machine
LARGEST = 64 << 20  # bytes: 327,700 coefficients, the most of a network, a few times over

files = st.sampled_from(fuzz.seeds())
headers = st.builds(
    container.Header,
    codec=st.just("coor"),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    channels=st.integers(1, 4),
)


@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_files_give_an_image_of_the_declared_shape_or_a_format_error(part):
    count = CASES // PARTS
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "experiments.fuzz",
    ]  # without the checks of shapes: faster
    done = subprocess.run(
        [*command, f"--cases={count}", f"--seed={part}"], capture_output=True, text=True, timeout=HANG
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cases, images = map(int, re.findall(r"(\d+) (?:cases|images)", done.stdout.splitlines()[-1]))
    assert cases == count
    assert 0.3 < images / count < 0.8


def test_mutations_reach_every_part_of_a_file():
    originals = fuzz.seeds()
    random = np.random.default_rng(0)
    changed = [fuzz.mutate(data, random) for data in originals * 60]
    intact = [zlib.crc32(data[:-4]).to_bytes(4, "little") == data[-4:] for data in changed]
    assert 0.9 < np.mean(intact) < 1
    for position in range(40):
        assert any(
            len(a) > position and a[position] != b[position]
            for a, b in zip(changed, originals * 60, strict=True)
            if len(b) > position
        )
    assert {np.sign(len(a) - len(b)) for a, b in zip(changed, originals * 60, strict=True)} == {-1, 0, 1}


def test_the_check_notices_what_it_looks_for(monkeypatch):
    data = fuzz.seeds()[0]
    assert fuzz.check(data)
    assert not fuzz.check(data[:-1])
    monkeypatch.setattr(dfm, "decode", lambda *_, **__: np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(AssertionError, match="declared is"):
        fuzz.check(data)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_give_a_format_error(data):
    with pytest.raises(dfm.FormatError):
        dfm.decode(data)


@settings(max_examples=60)
@given(headers, st.sampled_from([b"\x02", b"\x12", b"\x03", b"\x54"]), st.binary(max_size=200))
def test_arbitrary_payloads_give_an_image_or_a_format_error(header, shape, content):
    fuzz.check(container.pack(header, shape + content))


@settings(max_examples=60)
@given(files, st.data())
def test_files_cut_anywhere_give_a_format_error(data, draw):
    with pytest.raises(dfm.FormatError):
        dfm.decode(data[: draw.draw(st.integers(0, len(data) - 1))])


@settings(max_examples=60)
@given(files, st.data())
def test_a_changed_bit_is_noticed(data, draw):
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    changed = (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")
    with pytest.raises(dfm.FormatError):
        dfm.decode(changed)


@given(files, st.binary(min_size=1, max_size=50))
def test_bytes_after_the_end_are_noticed(data, tail):
    with pytest.raises(dfm.FormatError):
        dfm.decode(data + tail)


@pytest.mark.parametrize("sides", [(2**28 - 1, 2**28 - 1), (2**27 + 1, 1), (1, 2**28 - 1)])
def test_huge_sizes_are_refused_before_anything_is_allocated(sides):
    header = container.Header(codec="coor", width=sides[0], height=sides[1], channels=4)
    data = container.pack(header, b"\xfa\x01" + bytes(40))
    assert peak(data, container.MAX_PIXELS) < 1 << 20


def test_no_damaged_file_takes_more_memory_than_the_largest_network_needs():
    damaged = list(fuzz.cases(fuzz.seeds(), 50, seed=99))
    header = container.Header(codec="coor", width=64, height=64, channels=4)
    largest = [container.pack(header, b"\xfa\x01" + bytes([100, code] * 17)) for code in (0, 127)]
    assert max(peak(data, fuzz.MAX_PIXELS) for data in damaged + largest) < LARGEST


def test_a_narrow_image_takes_memory_by_its_pixels_and_not_by_the_square_of_its_height():
    header = container.Header(codec="late", width=1, height=5000, channels=3)
    assert peak(container.pack(header, b"\0"), container.MAX_PIXELS) < 50 << 20


def peak(data: bytes, max_pixels: int) -> int:
    """Measure the most bytes in use while `data` are decoded."""
    tracemalloc.start()
    with contextlib.suppress(dfm.FormatError):
        dfm.decode(data, max_pixels=max_pixels)
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return size
