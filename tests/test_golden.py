from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import dfm
from dfm import container, entropy, exact
from dfm.codecs.coordinate import payload
from dfm.codecs.latent import weights
from experiments import make_golden
from tests import reference_decoder, reference_latent

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.dfm"))

int32 = st.integers(-(2**31), 2**31 - 1) | st.integers(-40, 40)
codes = st.integers(0, entropy.CODES - 1)


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest) -> Path:
    return request.param


def straight_line(data: bytes, **view: tuple[int, ...]) -> np.ndarray:
    latent = data[7:11] == b"late"
    pixels = reference_latent.decode_file(data) if latent else reference_decoder.decode(data, **view)
    image = np.array(pixels, np.uint8)
    return image[:, :, 0] if image.shape[2] == 1 else image


def coordinate_file(content: bytes, channels: int = 3) -> bytes:
    return container.pack(container.Header(codec="coor", width=3, height=2, channels=channels), content)


def test_golden_files_decode_to_their_pixels(golden):
    np.testing.assert_array_equal(
        dfm.decode(golden.read_bytes()), np.asarray(Image.open(golden.with_suffix(".png")))
    )


def test_the_decoder_of_the_document_gives_the_same_bits(golden):
    data = golden.read_bytes()
    np.testing.assert_array_equal(straight_line(data), dfm.decode(data))


@pytest.mark.parametrize(
    "view",
    [
        {"size": (7, 5)},
        {"size": (101, 97), "region": (90, 3, 11, 5)},
        {"size": (2**20, 3), "region": (2**19, 1, 6, 2)},
    ],
)
def test_the_decoder_of_the_document_agrees_at_other_sizes_and_regions(view):
    data = next(path for path in GOLDEN if "rgb_48x32" in path.stem).read_bytes()
    np.testing.assert_array_equal(straight_line(data, **view), dfm.decode(data, **view))


def test_golden_files_hold_every_kind_of_pixel_and_storage():
    infos = [dfm.info(path.read_bytes()) for path in GOLDEN if "coor" in path.stem]
    kinds = {(facts["channels"], facts["network"]["storage"]) for facts in infos}
    assert kinds == {(channels, storage) for channels in range(1, 5) for storage in ("coded", "float32")}
    assert {1, 16} <= {facts["network"]["depth"] for facts in infos}
    assert {2, 10} <= {facts["network"]["width"] for facts in infos}
    assert min(facts["width"] * facts["height"] for facts in infos) == 1


def test_golden_files_hold_every_kind_of_pixel_and_base_networks_changed_and_not():
    infos = [dfm.info(path.read_bytes()) for path in GOLDEN if "late" in path.stem]
    assert {facts["channels"] for facts in infos} == {1, 2, 3, 4}
    assert {facts["network"]["base"] for facts in infos} == set(range(weights.BASES))
    changed = [facts["network"]["changed"] for facts in infos]
    assert min(changed) == 0 < max(changed)
    assert all((facts["split"]["weights"] > 1) == (n > 0) for facts, n in zip(infos, changed, strict=True))
    assert min(facts["width"] * facts["height"] for facts in infos) == 1


def test_golden_images_are_not_constant(golden):
    pixels = np.asarray(Image.open(golden.with_suffix(".png")))
    assert pixels[..., 0].size == 1 or len(np.unique(pixels)) > 1


def test_the_encoder_still_writes_the_golden_files():
    written = {case.name: case.file(seed) for seed, case in enumerate(make_golden.CASES)}
    assert written == {name: (GOLDEN[0].parent / f"{name}.dfm").read_bytes() for name in written}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.lists(int32, max_size=60).map(np.array), codes), max_size=4))
def test_the_range_decoder_of_the_document_reads_any_integers(parts):
    coder = reference_decoder.RangeDecoder(entropy.encode(parts))
    assert [reference_decoder.integers(coder, len(q) * [code]) for q, code in parts] == [
        list(q) for q, _ in parts
    ]


def test_the_range_decoder_of_the_document_reads_more_integers_than_a_run():
    q = np.random.default_rng(0).integers(-99, 100, 5000)
    coder = reference_decoder.RangeDecoder(entropy.encode([(q, 90)]))
    assert reference_decoder.integers(coder, 5000 * [90]) == q.tolist()


@pytest.mark.parametrize("code", range(0, entropy.CODES))
def test_the_tables_of_the_document_are_those_of_the_coder(code):
    assert reference_decoder.table(code)[0] == entropy.table(code).tolist()


def test_the_tables_of_cosines_and_levels_of_the_document_are_those_of_the_decoder():
    assert reference_decoder.quarter() == exact.cosines()[: 2**14 + 1].tolist()
    assert reference_decoder.thresholds() == exact.thresholds().tolist()


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1))
def test_float32_is_read_alike(word):
    data = word.to_bytes(4, "little") + bytes(4 * 34)
    try:
        _, layers, _ = payload.unpack(bytes([2, payload.FLOAT32]) + data, channels=3)
    except dfm.FormatError:
        with pytest.raises(reference_decoder.Damaged):
            reference_decoder.float32(word)
    else:
        assert layers[0][0, 0] == reference_decoder.float32(word)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02",
        b"\x01\x01",
        b"\x0b\x01",
        b"\x02\x02",
        b"\x02\x01\x00\x00\x00",
        b"\x02\x01\x00\x00\xc8\x00",
        b"\x02\x01\x00\x00\x00\x00" + b"\xff" * 12,
        b"\x02\x01\xc7\x7f\xc7\x7f" + bytes(range(200, 240)),
        b"\x02\x00" + bytes(4 * 35 - 1),
        b"\x02\x00" + bytes(4 * 35 + 1),
        b"\x02\x00" + b"\x00\x00\x80\x47" + bytes(4 * 34),
        b"\x02\x00" + b"\x01\x00\xa0\x7f" + bytes(4 * 34),
        b"\x02\x00" + b"\x00\xff\x7f\x47" * 35,
    ],
)
def test_what_the_document_calls_damaged_is_refused(content):
    data = coordinate_file(content)
    with pytest.raises(reference_decoder.Damaged):
        reference_decoder.decode(data)
    with pytest.raises(dfm.FormatError):
        dfm.decode(data)


@settings(max_examples=150)
@given(st.binary(max_size=60), st.integers(1, 4))
def test_both_decoders_agree_on_which_files_are_damaged(content, channels):
    data = coordinate_file(bytes([2 + len(content) % 3, 1]) + content, channels)
    try:
        expected = straight_line(data)
    except reference_decoder.Damaged:
        with pytest.raises(dfm.FormatError):
            dfm.decode(data)
    else:
        np.testing.assert_array_equal(dfm.decode(data), expected)
