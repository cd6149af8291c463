"""Hold every codec that Pillow carries to the same rules, and each format to what makes it strong."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dfm import codecs, image, metrics, registry
from dfm.codecs import avif, jpeg, jpeg2000, jpegxl, webp

CHELSEA = Path(__file__).parent.parent / "experiments" / "photos" / "chelsea.png"
HAS_JPEGXL = importlib.util.find_spec("pillow_jxl") is not None
CLASSIC = [
    pytest.param(
        module,
        id=name,
        marks=pytest.mark.skipif(module is jpegxl and not HAS_JPEGXL, reason="needs pillow-jxl-plugin"),
    )
    for name in registry.names(codecs)
    if hasattr(module := registry.get(codecs, name), "VARIANTS")
]
every_codec = pytest.mark.parametrize("codec", CLASSIC)


def photo(channels=3):
    """Crop the bundled photo to 64 x 48 and give it so many channels."""
    rgb = image.read(CHELSEA)[100:148, 150:214]
    alpha = np.broadcast_to(np.linspace(250, 128, 64).astype(np.uint8)[:, None], (48, 64, 1))
    color = rgb if channels > 2 else rgb[..., 1:2]
    return np.concatenate([color, alpha], axis=2) if channels % 2 == 0 else color


def colorful():
    """Make fine stripes of red and blue of one luma, which chroma subsampling blurs."""
    stripes = np.where(np.arange(64) % 2, [[200], [40], [40]], [[40], [76], [240]]).T
    return np.broadcast_to(stripes, (48, 64, 3)).astype(np.uint8)


def test_the_five_formats_are_here():
    names = {param.id for param in CLASSIC}
    assert names >= {"jpeg", "webp", "avif", "jpeg2000", "jpegxl"}


@every_codec
@pytest.mark.parametrize("channels", range(1, 5))
@pytest.mark.parametrize("crop", [(48, 64), (1, 1), (1, 33), (33, 1), (5, 3)])
def test_decoding_gives_the_encoded_shape_or_encoding_says_why_not(codec, channels, crop):
    pixels = photo(channels)[: crop[0], : crop[1]]
    if channels in codec.CHANNELS:
        decoded = codec.decode(codec.encode(pixels, codec.Config()))
        assert decoded.shape == pixels.shape
        assert decoded.dtype == np.uint8
    else:
        with pytest.raises(ValueError, match=r"Pillow's .* has no .*; give .*(gray|RGB)"):
            codec.encode(pixels, codec.Config())


@every_codec
def test_every_variant_gives_a_recognizable_image_at_its_best(codec):
    for config in codec.VARIANTS.values():
        best = codec.sweep(config)[-1]
        assert metrics.psnr(photo(), codec.decode(codec.encode(photo(), best))) > 30


@every_codec
def test_files_and_quality_grow_along_the_sweep(codec):
    for config in codec.VARIANTS.values():
        files = [codec.encode(photo(), c) for c in codec.sweep(config)]
        quality = [metrics.psnr(photo(), codec.decode(data)) for data in files]
        sizes = [len(data) for data in files]
        assert len(files) >= 8
        assert sizes == sorted(sizes)
        assert np.all(np.diff(quality) > -0.3)
        assert quality[-1] - quality[0] > 12


@every_codec
def test_the_ladder_climbs_from_under_the_sweep_to_over_it(codec):
    for config in codec.VARIANTS.values():
        ladder, sweep = codec.ladder(config), codec.sweep(config)
        ends = [len(codec.encode(photo(), c)) for c in (ladder[0], sweep[0], sweep[-1], ladder[-1])]
        assert ends == sorted(ends)
        assert len(set(ladder)) == len(ladder) >= 99


@every_codec
def test_a_ladder_and_a_sweep_change_the_rate_alone(codec):
    for config in codec.VARIANTS.values():
        fixed = vars(config).keys() - {"quality", "bits_per_pixel"}
        for step in [*codec.ladder(config), *codec.sweep(config)]:
            assert {name: getattr(step, name) for name in fixed} == {n: getattr(config, n) for n in fixed}


@every_codec
def test_equal_images_give_equal_files(codec):
    assert codec.encode(photo(), codec.Config()) == codec.encode(photo().copy(), codec.Config())


@every_codec
def test_damaged_and_foreign_files_raise_one_line(codec):
    data = codec.encode(photo(), codec.Config())
    foreign = image.pack(photo(), "PNG")
    for bad in (b"", b"\xff", data[:12], data[: len(data) // 2], foreign):
        with pytest.raises(ValueError, match="get it again") as error:
            codec.decode(bad)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("codec", "field", "value"),
    [
        (jpeg, "quality", 0),
        (jpeg, "quality", 101),
        (jpeg, "subsampling", "4:1:1"),
        (jpeg, "tables", "round"),
        (webp, "quality", -1),
        (webp, "method", 7),
        (avif, "quality", 100),
        (avif, "speed", 11),
        (avif, "subsampling", "4:0:0"),
        (avif, "tune", "vmaf"),
        (jpeg2000, "bits_per_pixel", 0.0),
        (jpeg2000, "bits_per_pixel", float("nan")),
        (jpegxl, "quality", 100),
        (jpegxl, "effort", 11),
    ],
)
def test_settings_out_of_range_are_refused(codec, field, value):
    with pytest.raises(ValueError, match=f"{field} is {value}; choose"):
        codec.Config(**{field: value})


def test_an_image_too_large_for_a_format_is_refused():
    with pytest.raises(ValueError, match="cannot hold this image of 16384 x 1 pixels"):
        webp.encode(np.zeros((1, 16384, 3), np.uint8), webp.Config())


@pytest.mark.parametrize("codec", [jpeg, avif])
def test_full_chroma_keeps_what_subsampled_chroma_blurs(codec):
    full, half = (
        metrics.psnr(
            colorful(), codec.decode(codec.encode(colorful(), codec.Config(quality=90, subsampling=s)))
        )
        for s in ("4:4:4", "4:2:0")
    )
    assert full > half + 10


@pytest.mark.parametrize(("subsampling", "factors"), [("4:2:0", 0x22), ("4:2:2", 0x21), ("4:4:4", 0x11)])
def test_jpeg_is_progressive_and_subsampled_as_asked(subsampling, factors):
    data = jpeg.encode(photo(), jpeg.Config(subsampling=subsampling))
    frame = data.index(b"\xff\xc2")  # SOF2; its luma's sampling factors lie 11 bytes on
    assert data[frame + 11] == factors


def test_flat_jpeg_tables_are_flat_and_better_for_psnr():
    data = jpeg.encode(photo(), jpeg.Config(quality=50, tables="flat"))
    tables = Image.open(io.BytesIO(data)).quantization
    assert {i: set(steps) for i, steps in tables.items()} == {0: {16}, 1: {10}}
    curves = [
        [
            {"bpp": len(data := jpeg.encode(photo(), c)), "psnr_db": metrics.psnr(photo(), jpeg.decode(data))}
            for c in jpeg.sweep(config)
        ]
        for config in (jpeg.VARIANTS["4:2:0"], jpeg.VARIANTS["flat"])
    ]
    assert metrics.bd_rate(*curves) < -3


@pytest.mark.parametrize("quality", [1, 100])
def test_flat_jpeg_tables_stay_within_a_byte(quality):
    tables = Image.open(
        io.BytesIO(jpeg.encode(photo(), jpeg.Config(quality=quality, tables="flat")))
    ).quantization
    assert {step for steps in tables.values() for step in steps} == {255 if quality == 1 else 1}


def test_webp_keeps_alpha_and_the_color_under_it():
    pixels = photo(4).copy()
    pixels[..., 3] = np.where(np.arange(64) < 32, 0, 255)
    decoded = webp.decode(webp.encode(pixels, webp.Config(quality=90)))
    np.testing.assert_array_equal(decoded[..., 3], pixels[..., 3])
    assert metrics.psnr(decoded[:, :32, :3], pixels[:, :32, :3]) > 28


def test_avif_is_tuned_for_psnr_by_default():
    curves = [
        [
            {"bpp": len(data := avif.encode(photo(), c)), "psnr_db": metrics.psnr(photo(), avif.decode(data))}
            for c in avif.sweep(config)
        ]
        for config in (avif.VARIANTS["iq"], avif.VARIANTS["4:4:4"])
    ]
    assert metrics.bd_rate(*curves) < -1


def test_gray_avif_has_no_chroma():
    gray, config = photo(1), avif.Config(quality=80)
    as_rgb = avif.encode(np.repeat(gray, 3, axis=2), config)
    assert len(avif.encode(gray, config)) < len(as_rgb)


def test_jpeg2000_of_rgb_has_the_color_transform_and_the_97_wavelet():
    data = jpeg2000.encode(photo(), jpeg2000.Config())
    style = data.index(b"\xff\x52")  # COD: color transform 8 bytes on, wavelet (0: 9/7) 13
    assert (data[style + 8], data[style + 13]) == (1, 0)


@pytest.mark.parametrize("channels", range(1, 5))
def test_jpeg2000_holds_its_rate(channels):
    pixels = np.tile(photo(channels), (4, 4, 1))
    data = jpeg2000.encode(pixels, jpeg2000.Config(bits_per_pixel=2.0))
    assert 0.9 * 2 < metrics.bits_per_pixel(len(data) - 85, pixels.shape) <= 2


def test_jpegxl_without_its_plugin_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for call in (lambda: jpegxl.encode(photo(), jpegxl.Config()), lambda: jpegxl.decode(b"\xff\x0a")):
        with pytest.raises(ValueError, match=r'pip install "dfm\[jxl\]"'):
            call()
