import functools
import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dfm
from dfm import container, fourier, metrics
from dfm.codecs import coordinate
from dfm.codecs.coordinate import aims, fit, model, payload, shape

GOLDEN = Path(__file__).parent / "golden"
STEPS = [payload.step(code) for code in range(payload.STEP_CODES)]
TINY = coordinate.Config(work=1e7)

shapes = st.builds(
    shape.Shape, width=st.integers(2, 5), depth=st.integers(1, 5) | st.just(16), channels=st.integers(1, 4)
)


def draw(network: shape.Shape, seed: int, std: float = 0.5) -> list[np.ndarray]:
    """Draw coefficients of eq. 4.5, smooth for a deviation below 1."""
    random = np.random.default_rng(seed)
    units = [std * fourier.scale(f.bit_length() - 1) for f, _ in network.layers]
    return [random.normal(0, unit, layer) for unit, layer in zip(units, network.layers, strict=True)]


def file(network: shape.Shape, layers: list[np.ndarray], size: tuple[int, int] = (24, 16)) -> bytes:
    quantized = payload.quantize(layers, [0.01 * np.std(w) for w in layers])
    header = container.Header(codec="coor", width=size[0], height=size[1], channels=network.channels)
    return container.pack(header, payload.pack(network, quantized))


def smooth(channels: int = 3) -> np.ndarray:
    """Give 16 x 24 pixels of slow waves."""
    y, x, c = np.ogrid[0:1:16j, 0:1:24j, 0:channels]
    return np.rint(127 + 60 * np.sin(3 * x + c) + 60 * np.cos(2 * y * x + c)).astype(np.uint8)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a preset that fits in a moment."""
    monkeypatch.setitem(coordinate.PRESETS, "tiny", TINY)


@functools.cache
def fitted(**target: float) -> bytes:
    return dfm.encode(smooth(), codec="coordinate", preset="tiny", **target)


def test_the_thesis_s_network_in_float32_is_the_largest_within_the_bytes(monkeypatch):
    monkeypatch.setitem(coordinate.PRESETS, "thesis", coordinate.Config(work=1e5, thesis=True))
    smallest = min(shape.Shape(width=w, depth=1, channels=3).parameters for w in shape.WIDTHS)
    header = container.Header(codec="coor", width=24, height=16, channels=3)
    least = len(container.pack(header, bytes(payload.PREFIX + 4 * smallest)))
    encode = functools.partial(dfm.encode, smooth(), codec="coordinate", preset="thesis")
    with pytest.raises(ValueError, match="hold no network in float32; allow more"):
        encode(max_bytes=least - 1)
    data = encode(max_bytes=least)
    assert len(data) == least
    assert dfm.info(data)["network"]["storage"] == "float32"
    assert dfm.decode(data).shape == smooth().shape


@settings(max_examples=20)
@given(shapes, st.integers(0, 2**32 - 1), st.floats(-16, 4))
def test_unpack_inverts_pack(network, seed, octaves):
    layers = draw(network, seed)
    quantized = payload.quantize(layers, [2**octaves * np.std(w) for w in layers])
    read, coefficients, kind = payload.unpack(payload.pack(network, quantized), network.channels)
    assert (read, kind) == (network, payload.CODED)
    for w, expected in zip(coefficients, quantized.coefficients(), strict=True):
        np.testing.assert_array_equal(w, expected)


@settings(max_examples=20)
@given(shapes, st.integers(0, 2**32 - 1))
def test_unpack_inverts_pack_float32_to_the_last_unit(network, seed):
    layers = draw(network, seed)
    read, coefficients, kind = payload.unpack(payload.pack_float32(network, layers), network.channels)
    assert (read, kind) == (network, payload.FLOAT32)
    for w, expected in zip(coefficients, layers, strict=True):
        np.testing.assert_array_equal(w, np.rint(expected.astype(np.float32).astype(np.float64) * 2**20))


@settings(max_examples=20)
@given(shapes, st.integers(0, 2**32 - 1), st.floats(-10, 4))
def test_coefficients_are_rounded_to_the_nearest_multiple_of_the_step(network, seed, octaves):
    layers = draw(network, seed)
    quantized = payload.quantize(layers, [2**octaves * np.std(w) for w in layers])
    for w, exact, code in zip(quantized.coefficients(), layers, quantized.codes, strict=True):
        assert np.abs(w - exact * 2**payload.BITS).max() <= payload.step(code) / 2 * (1 + 1e-9)


def test_steps_rise_and_double_every_eight_codes():
    assert np.all(np.diff(STEPS) >= 0)
    assert STEPS[0] == 1
    assert STEPS[32:] == [2 * value for value in STEPS[24:-8]]


@given(st.floats(payload.EXACT, 0.99 * STEPS[-1]))
def test_the_nearest_code_is_at_most_half_a_code_away(value):
    assert abs(np.log(payload.step(payload.nearest_code(value)) / value)) <= np.log(9 / 8) / 2 + 1e-9


def test_every_step_from_the_first_exact_one_on_has_its_own_code():
    codes = range(STEPS.index(payload.EXACT), payload.STEP_CODES)
    assert [payload.nearest_code(float(STEPS[code])) for code in codes] == list(codes)


@pytest.mark.parametrize("channels", range(1, 5))
def test_chosen_networks_are_valid_and_grow_with_the_coefficients(channels):
    counts = np.geomspace(1, 1e6, 100)
    chosen = [shape.choose(count, channels) for count in counts]
    assert all(s.width in shape.WIDTHS and s.depth in shape.DEPTHS and s.channels == channels for s in chosen)
    parameters = [s.parameters for s in chosen]
    assert all(b >= 0.9 * a for a, b in itertools.pairwise(parameters))
    inside = (counts > 100) & (counts < 2e5)
    assert np.abs(np.log2(np.array(parameters) / counts))[inside].max() < 0.5


@given(st.floats(1, 1e6), st.integers(1, 4))
def test_the_largest_network_is_within_the_count_and_no_smaller_than_the_chosen(count, channels):
    largest = shape.largest(count, channels)
    least = shape.Shape(width=2, depth=1, channels=channels).parameters
    if largest is None:
        assert count < least
    else:
        assert largest.parameters <= count
        assert largest.parameters >= min(shape.choose(count / 1.5, channels).parameters, count / 1.5)


@settings(max_examples=20)
@given(st.data())
def test_a_region_is_the_crop_of_the_whole(data):
    network = shape.Shape(width=3, depth=2, channels=data.draw(st.integers(1, 4)))
    content = file(network, draw(network, 3))
    size = data.draw(st.tuples(st.integers(1, 50), st.integers(1, 50)))
    x, y = (data.draw(st.integers(0, side - 1)) for side in size)
    width, height = (data.draw(st.integers(1, side - at)) for side, at in zip(size, (x, y), strict=True))
    part = dfm.decode(content, size=size, region=(x, y, width, height))
    whole = dfm.decode(content, size=size)
    np.testing.assert_array_equal(part, whole[y : y + height, x : x + width])


def test_scale_gives_the_same_pixels_as_the_size():
    network = shape.Shape(width=3, depth=2, channels=3)
    content = file(network, draw(network, 4))
    np.testing.assert_array_equal(dfm.decode(content, scale=1), dfm.decode(content))
    np.testing.assert_array_equal(dfm.decode(content, scale=2.5), dfm.decode(content, size=(60, 40)))


@pytest.mark.parametrize("factor", [2, 3])
def test_averages_over_a_larger_image_are_close_to_the_image(factor):
    network = shape.Shape(width=3, depth=2, channels=3)
    content = file(network, draw(network, 5))
    image = dfm.decode(content).astype(float)
    boxes = dfm.decode(content, scale=factor).reshape(16, factor, 24, factor, 3).mean(axis=(1, 3))
    assert np.ptp(image) > 50
    assert np.abs(boxes - image).max() < 4


def test_odd_factors_keep_the_pixels_at_the_centers():
    network = shape.Shape(width=4, depth=2, channels=3)
    content = file(network, draw(network, 6))
    larger = dfm.decode(content, scale=3)
    assert np.abs(larger[1::3, 1::3].astype(int) - dfm.decode(content)).max() <= 1


@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_without_jax_decodes_the_same_bits(threads):
    paths = sorted(str(path) for path in GOLDEN.glob("*.dfm"))
    script = (
        "import sys, hashlib, pathlib\n"
        "for name in ('jax', 'jaxlib', 'flax', 'optax', 'matplotlib'): sys.modules[name] = None\n"
        "import dfm\n"
        "for path in sys.argv[1:]:\n"
        "    data = pathlib.Path(path).read_bytes()\n"
        "    image = dfm.decode(data, size=(301, 299))\n"
        "    print(hashlib.sha256(image.tobytes()).hexdigest())\n"
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": threads}
    chosen = [path for path in paths if "48x32" in path or "1of10" in path or "16of2" in path]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *chosen],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        timeout=300,
    )
    images = [dfm.decode(Path(path).read_bytes(), size=(301, 299)) for path in chosen]
    assert done.stdout.split() == [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    assert len(chosen) == 3


def test_bytes_are_filled_and_never_exceeded(tiny):
    assert 0.97 * 100 <= len(fitted(max_bytes=100)) <= 100
    assert metrics.psnr(smooth(), dfm.decode(fitted(max_bytes=100))) > 15


def test_the_same_seed_gives_the_same_bytes(tiny):
    assert dfm.encode(smooth(), codec="coordinate", preset="tiny", max_bytes=100) == fitted(max_bytes=100)


def test_the_psnr_is_met_and_hardly_exceeded(tiny):
    asked = [(22.0, 0), (24.0, 0), (26.0, 0), (30.0, 0), (30.0, 1), (30.0, 2)]
    excess = [metrics.psnr(smooth(), dfm.decode(fitted(min_psnr=p, seed=s))) - p for p, s in asked]
    assert min(excess) >= 0
    assert np.median(excess) <= 0.3  # single fits part by the last bits of a processor's floats


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_gray_and_alpha_are_encoded(tiny, channels):
    image = smooth(channels)
    image = image[:, :, 0] if channels == 1 else image
    data = dfm.encode(image, codec="coordinate", preset="tiny", max_bytes=100)
    assert len(data) <= 100
    assert dfm.decode(data).shape == image.shape
    assert metrics.psnr(image, dfm.decode(data)) > 10


@pytest.mark.parametrize("level", [0, 77, 255])
def test_constant_images_are_encoded_in_few_bytes(tiny, level):
    image = np.full((16, 24), level, np.uint8)
    data = dfm.encode(image, codec="coordinate", preset="tiny", min_psnr=35.0)
    assert metrics.psnr(image, dfm.decode(data)) >= 35
    assert len(data) < 150


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 2)])
def test_an_image_of_fewer_bytes_than_the_least_network_is_encoded(tiny, shape):
    data = dfm.encode(np.full(shape, 9, np.uint8), codec="coordinate", preset="tiny", max_bytes=1000)
    assert dfm.decode(data).shape == shape


def test_too_few_bytes_are_refused_with_the_least(tiny):
    with pytest.raises(ValueError, match=r"^\d+ bytes are left for (a|the) network.* needs \d+; allow .*$"):
        dfm.encode(smooth(), codec="coordinate", preset="tiny", max_bytes=20)


def test_a_psnr_out_of_reach_is_refused_with_what_can_be_reached(tiny):
    noise = np.random.default_rng(0).integers(0, 256, (6, 5), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"^90.0 dB are out of reach of this preset; ask for at most .* dB$"):
        dfm.encode(noise, codec="coordinate", preset="tiny", min_psnr=90.0)


def test_info_tells_the_network_without_decoding():
    facts = dfm.info((GOLDEN / "v1_coor_rgb_24x16_16of2_coded.dfm").read_bytes())
    assert facts["network"] == {"width": 2, "depth": 16, "parameters": 245, "storage": "coded"}
    assert facts["split"]["header"] == 18


def test_a_fit_that_collapses_to_the_mean_color_is_given_up_only_while_others_are_left():
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    run = functools.partial(
        fit.coded, noise, shape.choose(20, 3), TINY, aims.Trade(), 1e-3, seed=0, notify=lambda *_: None
    )
    with pytest.raises(FloatingPointError, match="collapsed"):
        run(strict=True)
    assert np.all(np.isfinite(run(strict=False).layers[0]))


def test_noise_is_encoded_all_the_same(tiny):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    assert (
        metrics.psnr(noise, dfm.decode(dfm.encode(noise, codec="coordinate", preset="tiny", max_bytes=60)))
        > 8
    )


def test_a_fit_starts_at_the_mean_color():
    mean = np.array([-0.5, 0.0, 0.9])
    network = model.start(0, shape.choose(100, 3), mean, model.MUON).model.network
    np.testing.assert_allclose(
        np.tanh(network.last[0] * fourier.scale(network.last.shape[0].bit_length() - 1)), mean, atol=1e-6
    )
