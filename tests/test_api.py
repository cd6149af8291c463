import tomllib
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dfm
from dfm import api, codecs, container, rate, registry

SHAPES = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
)
PIXELS = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hnp.arrays(np.uint8, SHAPES))
def test_decode_inverts_encode_of_every_shape(stored, image):
    decoded = dfm.decode(dfm.encode(image, "stored"))
    expected = image[:, :, 0] if image.shape[2:] == (1,) else image
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, expected)


def test_strided_views_are_encoded_as_they_look(stored):
    view = PIXELS[::-1, ::2].swapaxes(0, 1)
    np.testing.assert_array_equal(dfm.decode(dfm.encode(view, "stored")), view)


def test_the_public_names_are_those_of_the_design():
    assert sorted(dfm.__all__) == ["FormatError", "__version__", "decode", "encode", "info"]
    assert issubclass(dfm.FormatError, ValueError)


def test_the_version_is_that_of_the_package():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert project.get("version", dfm.__version__) == dfm.__version__


@pytest.mark.parametrize("image", [[[1, 2]], None, "photo.png"])
def test_what_is_no_array_is_refused(image):
    with pytest.raises(TypeError, match="give a NumPy array of uint8"):
        dfm.encode(image)


@pytest.mark.parametrize("dtype", [float, np.uint16, bool, np.int8])
def test_other_types_than_uint8_are_refused(dtype):
    with pytest.raises(ValueError, match="give uint8, 0 to 255"):
        dfm.encode(np.zeros((2, 2), dtype))


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 0, 3), (2, 2, 0), (2, 2, 5), (1, 2, 2, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"give \[H, W\] or \[H, W, 1 to 4\]"):
        dfm.encode(np.zeros(shape, np.uint8))


def test_an_image_that_could_not_be_decoded_is_refused():
    image = np.broadcast_to(np.uint8(0), (2**14, 2**14))
    with pytest.raises(ValueError, match=f"give at most {container.MAX_PIXELS}"):
        dfm.encode(image)


def test_unknown_codecs_and_presets_are_refused_with_the_choices(stored):
    with pytest.raises(
        ValueError, match=r"'none' makes no \.dfm files; choose one of coordinate, latent, stored"
    ):
        dfm.encode(PIXELS, "none")
    with pytest.raises(ValueError, match="stored has no preset 'worst'; choose one of balanced, best"):
        dfm.encode(PIXELS, "stored", "worst")


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_other_seeds_are_refused(stored, seed):
    with pytest.raises(ValueError, match=r"seed is .*; choose an integer from 0"):
        dfm.encode(PIXELS, "stored", seed=seed)


def test_a_seed_may_be_an_integer_of_numpy(stored):
    dfm.encode(PIXELS, "stored", seed=np.uint32(5))
    assert type(stored.seen[0][2]) is int


def test_bits_per_pixel_without_end_ask_for_no_more_than_a_file_can_have(stored):
    for most in (1e15, 1e308):
        dfm.encode(PIXELS, "stored", max_bpp=most)
    assert all(2**40 < target.max_bytes < 2**54 for _, target, _ in stored.seen)


def test_a_fractional_seed_is_refused(stored):
    with pytest.raises(TypeError):
        dfm.encode(PIXELS, "stored", seed=0.5)


def test_preset_target_and_seed_reach_the_codec(stored):
    dfm.encode(PIXELS, "stored", "best", min_psnr=30, seed=5)
    dfm.encode(PIXELS, "stored")
    assert stored.seen == [
        (stored.PRESETS["best"], rate.Target(min_psnr=30), 5),
        (stored.PRESETS["balanced"], rate.Target(lambda_=rate.DEFAULT_LAMBDA), 0),
    ]


def test_max_bytes_and_max_bpp_count_the_whole_file(stored):
    length = len(dfm.encode(PIXELS, "stored"))
    assert len(dfm.encode(PIXELS, "stored", max_bytes=length)) == length
    assert len(dfm.encode(PIXELS, "stored", max_bpp=8 * length / 20)) == length
    with pytest.raises(ValueError, match="bytes are too few"):
        dfm.encode(PIXELS, "stored", max_bytes=length - 1)


def test_a_limit_below_the_header_is_refused(stored):
    with pytest.raises(ValueError, match="5 bytes are too few: header and checksum take 18"):
        dfm.encode(PIXELS, "stored", max_bytes=5)


def test_two_targets_are_refused(stored):
    with pytest.raises(ValueError, match="lambda_ and max_bytes are given"):
        dfm.encode(PIXELS, "stored", lambda_=1e-3, max_bytes=100)


def test_progress_is_told_from_0_to_1(stored):
    told = []
    dfm.encode(PIXELS, "stored", progress=lambda fraction, text: told.append((fraction, text)))
    assert told == [(0.0, "storing"), (0.5, "storing"), (1.0, "storing")]


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_region_is_that_part_of_the_whole(stored, data):
    coded = dfm.encode(PIXELS, "stored")
    width, height = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w, h = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    whole = dfm.decode(coded, size=(width, height))
    assert whole.shape == (height, width, 3)
    part = dfm.decode(coded, size=(width, height), region=(x, y, w, h))
    np.testing.assert_array_equal(part, whole[y : y + h, x : x + w])


@pytest.mark.parametrize(
    ("scale", "shape"), [(1, (4, 5)), (2, (8, 10)), (0.5, (2, 2)), (1e-9, (1, 1)), (1.3, (5, 6))]
)
def test_scale_rounds_width_and_height(stored, scale, shape):
    assert dfm.decode(dfm.encode(PIXELS, "stored"), scale=scale).shape == (*shape, 3)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"size": (5, 4), "scale": 1}, "both given"),
        ({"size": (0, 4)}, "size is 0 x 4; give at least 1 x 1"),
        ({"size": (5, -4)}, "size is 5 x -4"),
        ({"scale": 0}, "scale is 0; give a finite number above 0"),
        ({"scale": -1}, "scale is -1"),
        ({"scale": float("nan")}, "scale is nan"),
        ({"scale": float("inf")}, "scale is inf"),
        ({"scale": 1e308}, "scale is 1e"),
        ({"scale": 1e9}, "over the limit"),
        ({"size": (2**14, 2**14)}, "over the limit"),
        ({"size": (2**40, 1), "region": (0, 0, 1, 1)}, "over the limit"),
        ({"size": (1, 2**40), "region": (0, 0, 1, 1)}, "over the limit"),
        ({"region": (0, 0, 6, 4)}, "does not lie in the image of 5 x 4 pixels"),
        ({"region": (0, 0, 5, 5)}, "does not lie"),
        ({"region": (-1, 0, 2, 2)}, "does not lie"),
        ({"region": (0, -1, 2, 2)}, "does not lie"),
        ({"region": (0, 0, 0, 2)}, "does not lie"),
        ({"region": (0, 0, 2, 0)}, "does not lie"),
        ({"region": (4, 0, 2, 2)}, "does not lie"),
        ({"size": (10, 8), "region": (8, 0, 3, 1)}, "image of 10 x 8 pixels"),
    ],
)
def test_a_view_outside_its_range_is_refused(stored, options, reason):
    data = dfm.encode(PIXELS, "stored")
    with pytest.raises(ValueError, match=reason) as error:
        dfm.decode(data, **options)
    assert not isinstance(error.value, dfm.FormatError)


@pytest.mark.parametrize("options", [{"size": (5.5, 4)}, {"region": (0, 0, 1.5, 1)}])
def test_fractions_of_pixels_are_refused(stored, options):
    with pytest.raises(TypeError):
        dfm.decode(dfm.encode(PIXELS, "stored"), **options)


def test_max_pixels_bounds_file_and_result(stored):
    data = dfm.encode(PIXELS, "stored")
    assert dfm.decode(data, max_pixels=20).shape == PIXELS.shape
    with pytest.raises(dfm.FormatError):
        dfm.decode(data, max_pixels=19)
    with pytest.raises(ValueError, match="over the limit of 20"):
        dfm.decode(data, scale=2, max_pixels=20)
    assert dfm.decode(data, scale=2, region=(0, 0, 4, 5), max_pixels=20).shape == (5, 4, 3)


def test_info_adds_up_to_the_file(stored):
    data = dfm.encode(PIXELS, "stored")
    facts = dfm.info(data)
    assert facts == {
        "codec": "stored",
        "width": 5,
        "height": 4,
        "channels": 3,
        "bytes": len(data),
        "bpp": 8 * len(data) / 20,
        "split": {"header": 18, "weights": 0, "latents": len(data) - 18},
        "network": {"depth": 0},
    }


def test_info_tells_of_an_image_too_large_to_decode(stored):
    header = container.Header(codec="stor", width=container.MAX_SIDE, height=container.MAX_SIDE, channels=1)
    assert dfm.info(container.pack(header, b""))["width"] == container.MAX_SIDE


@pytest.mark.parametrize("letters", ["zzzz", "jpeg", "webp", "avif", "0000"])
@pytest.mark.parametrize("call", [dfm.decode, dfm.info])
def test_a_file_of_an_unknown_codec_gives_format_error(call, letters):
    header = container.Header(codec=letters, width=5, height=4, channels=3)
    with pytest.raises(dfm.FormatError, match=f"'{letters}', that this version does not have; update dfm"):
        call(container.pack(header, b"payload"))


@pytest.mark.parametrize("call", [dfm.decode, dfm.info])
@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"\x89dfm\r\n", bytes(100)])
def test_foreign_bytes_give_format_error(call, data):
    with pytest.raises(dfm.FormatError):
        call(data)


def test_the_letters_of_codecs_differ(stored):
    letters = [name[:4] for name in registry.names(codecs) if hasattr(registry.get(codecs, name), "PRESETS")]
    assert len(set(letters)) == len(letters) > 0
    assert all(len(four) == 4 for four in letters)


def test_presets_lists_those_of_the_codec(stored):
    assert api.presets("stored") == ["balanced", "best"]
