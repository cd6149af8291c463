"""Hold the metrics against skimage, direct evaluations and cases whose values are known."""

from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from dfm import image, metrics

CHELSEA = Path(__file__).parent.parent / "experiments" / "photos" / "chelsea.png"
SHAPES = [(13, 17), (13, 17, 1), (13, 17, 2), (13, 17, 3), (13, 17, 4)]
CURVE = [
    {"bpp": b, "psnr_db": p} for b, p in [(0.1, 24.0), (0.2, 27.5), (0.4, 30.5), (0.8, 34.0), (1.6, 38.0)]
]


@pytest.fixture(scope="module")
def crop():
    return image.read(CHELSEA)[40:219, 100:281]


def noisy(pixels, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def scaled(curve, factor):
    return [row | {"bpp": factor * row["bpp"]} for row in curve]


@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_of_an_offset_is_known(shape):
    a = np.full(shape, 100, np.uint8)
    assert metrics.psnr(a, a + 5) == pytest.approx(20 * np.log10(255 / 5))


def test_psnr_counts_every_channel_alike():
    a = np.zeros((8, 8, 4), np.uint8)
    b = a.copy()
    b[..., 3] = 10
    assert metrics.psnr(a, b) == pytest.approx(10 * np.log10(255**2 / (100 / 4)))


def test_psnr_of_opposites_is_zero_and_of_equals_infinite():
    black = np.zeros((3, 2, 3), np.uint8)
    assert metrics.psnr(black, black + np.uint8(255)) == pytest.approx(0)
    assert metrics.psnr(black, black) == float("inf")


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim, metrics.ms_ssim])
def test_metrics_are_symmetric_and_fall_with_noise(metric, crop):
    values = [metric(crop, noisy(crop, sigma)) for sigma in (2, 8, 32)]
    assert values == sorted(values, reverse=True)
    assert metric(noisy(crop, 8), crop) == pytest.approx(values[1])


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim, metrics.ms_ssim])
@pytest.mark.parametrize("other", [(179, 181), (181, 179, 3), (179, 181, 4)])
def test_images_of_two_shapes_are_refused(metric, other, crop):
    with pytest.raises(ValueError, match="one shape"):
        metric(crop, np.zeros(other, np.uint8))


def test_images_that_are_not_of_uint8_are_refused(crop):
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        metrics.psnr(crop, crop / 255)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_agrees_with_skimage(channels, crop):
    a = crop[..., :channels]
    b = noisy(a, 12)
    expected = structural_similarity(
        a, b, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert metrics.ssim(a, b) == pytest.approx(expected, abs=1e-9)


def direct_factors(x, y):
    """Evaluate luminance times contrast, and contrast, window by window."""
    t = np.arange(11) - 5
    g = np.exp(-(t**2) / (2 * 1.5**2))
    window = np.outer(g, g) / g.sum() ** 2
    a, b = (np.lib.stride_tricks.sliding_window_view(image, (11, 11)) for image in (x, y))
    mean = [np.einsum("hwij,ij->hw", image, window) for image in (a, b)]
    centered = [a - mean[0][..., None, None], b - mean[1][..., None, None]]
    xx, yy, xy = (
        np.einsum("hwij,hwij,ij->hw", centered[i], centered[j], window) for i, j in ((0, 0), (1, 1), (0, 1))
    )
    contrast = (2 * xy + 58.5225) / (xx + yy + 58.5225)
    luminance = (2 * mean[0] * mean[1] + 6.5025) / (mean[0] ** 2 + mean[1] ** 2 + 6.5025)
    return (luminance * contrast).mean(), contrast.mean()


def test_ms_ssim_agrees_with_a_direct_evaluation(crop):
    a = crop[:, :178, 0]
    b = noisy(a, 20)
    x, y = a.astype(float), b.astype(float)
    expected = 1.0
    for weight in (0.0448, 0.2856, 0.3001, 0.2363):
        expected *= direct_factors(x, y)[1] ** weight
        h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
        x, y = ((i[:h:2, :w:2] + i[1:h:2, :w:2] + i[:h:2, 1:w:2] + i[1:h:2, 1:w:2]) / 4 for i in (x, y))
    expected *= direct_factors(x, y)[0] ** 0.1333
    assert metrics.ms_ssim(a, b) == pytest.approx(expected, abs=1e-9)


def test_ms_ssim_of_equals_is_one_and_of_a_negative_zero(crop):
    assert metrics.ms_ssim(crop, crop) == pytest.approx(1)
    assert metrics.ms_ssim(crop, 255 - crop) == 0


@pytest.mark.parametrize(("metric", "side"), [(metrics.ssim, 11), (metrics.ms_ssim, 176)])
def test_images_smaller_than_the_windows_are_refused(metric, side):
    big, small = np.zeros((side, side), np.uint8), np.zeros((side, side - 1), np.uint8)
    assert metric(big, big) == pytest.approx(1)
    with pytest.raises(ValueError, match=f"at least {side} a side"):
        metric(small, small)


def test_bits_per_pixel_count_no_channels():
    assert metrics.bits_per_pixel(100, (20, 10, 4)) == metrics.bits_per_pixel(100, (20, 10)) == 4.0


@given(st.floats(0.05, 20))
def test_bd_rate_of_a_scaled_curve_is_the_scale(factor):
    assert metrics.bd_rate(CURVE, scaled(CURVE, factor)) == pytest.approx(100 * (factor - 1), abs=1e-6)


def test_half_the_rate_is_minus_fifty_percent():
    assert metrics.bd_rate(CURVE, scaled(CURVE, 0.5)) == pytest.approx(-50)


def test_bd_rates_of_an_exchange_are_reciprocal():
    other = [{"bpp": b, "psnr_db": p} for b, p in [(0.15, 25.0), (0.3, 29.5), (0.9, 36.0)]]
    there, back = metrics.bd_rate(CURVE, other), metrics.bd_rate(other, CURVE)
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


def test_bd_rate_of_published_kodak_curves():
    """COIN's published curve against CompressAI's JPEG: another integration gave +5.7 %."""
    jpeg = [
        (0.2212, 23.78),
        (0.3266, 26.58),
        (0.4231, 28.04),
        (0.5084, 29.04),
        (0.5879, 29.78),
        (0.6601, 30.38),
    ]
    jpeg += [
        (0.7289, 30.90),
        (0.7860, 31.31),
        (0.8497, 31.70),
        (0.9060, 32.06),
        (0.9644, 32.40),
        (1.0372, 32.79),
    ]
    coin = [
        (0.0368, 22.41),
        (0.0736, 23.21),
        (0.1604, 24.64),
        (0.3074, 26.41),
        (0.6109, 28.41),
        (1.209, 30.64),
    ]
    curves = [[{"bpp": b, "psnr_db": p} for b, p in points] for points in (jpeg, coin)]
    assert metrics.bd_rate(*curves) == pytest.approx(5.7, abs=0.2)


def test_bd_rate_does_not_depend_on_order():
    assert metrics.bd_rate(CURVE[::-1], scaled([CURVE[i] for i in (2, 0, 4, 1, 3)], 2)) == pytest.approx(100)


@pytest.mark.parametrize("useless", [(0.9, 30.0), (0.9, 34.0), (0.8, 33.0), (5.0, None), (5.0, float("inf"))])
def test_points_on_no_curve_are_left_out(useless):
    bpp, psnr = useless
    more = [*CURVE, {"bpp": bpp, "psnr_db": psnr}]
    assert metrics.bd_rate(CURVE, scaled(more, 0.5)) == pytest.approx(-50)
    assert metrics.bd_rate(more, scaled(CURVE, 0.5)) == pytest.approx(-50)


def test_curves_that_do_not_overlap_are_refused():
    far = [row | {"psnr_db": row["psnr_db"] + 14} for row in CURVE]
    with pytest.raises(ValueError, match=r"24\.0 to 38\.0 dB and 38\.0 to 52\.0 dB"):
        metrics.bd_rate(CURVE, far)


def test_curves_that_overlap_less_than_asked_are_refused():
    low = [row | {"psnr_db": row["psnr_db"] - 10} for row in CURVE]
    assert metrics.bd_rate(CURVE, low, min_overlap=4 / 24) > 0
    with pytest.raises(ValueError, match="overlap too little"):
        metrics.bd_rate(CURVE, low, min_overlap=4 / 24 + 0.01)


def test_a_point_is_no_curve():
    with pytest.raises(ValueError, match="has 1 usable points"):
        metrics.bd_rate(CURVE, CURVE[:1])
