import re

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import dfm
from dfm import container, image, metrics, rate
from dfm.codecs import latent
from dfm.codecs.latent import coefficients, fit, planes, quantize, search, weight_changes, weights
from dfm.codecs.latent.job import Job
from experiments import demo


@pytest.fixture(scope="module")
def photo():
    """Give 48 x 32 pixels of the bundled photo."""
    return image.read(demo.PHOTO)[100:132, 140:188]


@pytest.fixture
def short(monkeypatch):
    """Name a preset of one look at the rate."""
    monkeypatch.setitem(latent.PRESETS, "short", latent.Config(steps=25))
    return "short"


def quality(photo, data):
    return float(metrics.psnr(photo, dfm.decode(data)))


def test_the_guess_of_the_analysis_network_is_a_picture(photo):
    data = dfm.encode(photo, "latent", "instant", lambda_=1e-3)
    assert quality(photo, data) > metrics.psnr(photo, np.full_like(photo, photo.mean())) + 6
    facts = dfm.info(data)
    assert facts["network"]["changed"] == 0
    assert facts["split"]["weights"] == 1
    assert sum(facts["split"].values()) == len(data) == facts["bytes"]


def test_a_lower_lambda_gives_more_bytes_and_quality(photo):
    files = [dfm.encode(photo, "latent", "instant", lambda_=lambda_) for lambda_ in (1.6e-2, 1e-3, 2.5e-4)]
    assert sorted(files, key=len) == files
    assert sorted(files, key=lambda data: quality(photo, data)) == files


def test_a_fit_is_better_than_its_guess_and_repeats(photo, short):
    def loss(data):
        mse = 10 ** (-quality(photo, data) / 10)
        return mse + 1e-3 * 8 * len(data) / (photo.shape[0] * photo.shape[1])

    fitted = dfm.encode(photo, "latent", short, lambda_=1e-3, seed=3)
    assert loss(fitted) < loss(dfm.encode(photo, "latent", "instant", lambda_=1e-3))
    assert dfm.encode(photo, "latent", short, lambda_=1e-3, seed=3) == fitted


def test_steps_lower_the_loss(photo):
    target = planes.of(photo)
    base, reports = weights.base(4), []
    state = fit.start(base, target)
    fit.soft(
        state,
        target,
        base,
        latent.Config(steps=100),
        lambda state, report, lambda_: reports.append(report) or lambda_,
        1e-4,
        seed=0,
        notify=lambda fraction, text: None,
    )
    guess = quantize.symbols(fit.guess(base, target), base.finest)
    bits, mse = quantize.measure(base, None, guess, target)
    last = reports[-1]
    fitted = last.mse + 1e-4 * (last.bits + last.weight_bits) / target[0].size
    assert fitted < 0.8 * (mse + 1e-4 * bits / target[0].size)


def fitted_by(photo, quantization, steps=100, price=2.0):
    """Fit the networks, quickly, to the photo; give also the pixels and the base networks."""
    target, base = planes.of(photo), weights.base(4)
    config = latent.Config(steps=steps, weight_rate=0.3, price=price)
    fitted = fit.soft(
        fit.start(base, target),
        target,
        base,
        config,
        lambda state, report, lambda_: lambda_,
        1e-6,
        quantization=quantization,
        seed=0,
        notify=lambda fraction, text: None,
    )
    return fitted, target, base


def test_networks_change_less_where_their_bits_have_a_higher_price(photo):
    fits = [fitted_by(photo, None, price=price)[0] for price in (1.0, 1000.0)]
    cheap, dear = (sum(float(jnp.sum(c**2)) for c in fitted.state.changes.values()) for fitted in fits)
    assert dear < cheap / 2


def test_a_fit_ends_with_changes_on_the_grid_of_the_file(photo):
    fitted, target, base = fitted_by(photo, lambda fitted: 2.0**-6)
    changes = quantize.changes(fitted, base, target, quantize.symbols(fitted.latents, base.finest))
    for group, moved in fitted.state.changes.items():
        np.testing.assert_array_equal(changes.integers[group] * 2.0**-6, moved)
    assert any(np.any(q) for q in changes.integers.values())
    assert weight_changes.step_of(changes.step) == 2.0**-6


def test_a_fit_sees_the_weights_that_a_file_holds_at_the_ends_of_their_range_too():
    base, random = weights.base(4), np.random.default_rng(0)
    shapes = weights.shapes_of_groups(base.finest)
    integers = {group: random.integers(-9, 10, shape) for group, shape in shapes.items()}
    integers["context.grids"] *= 400
    moved = {group: jnp.asarray(q * weight_changes.step_of(15)) for group, q in integers.items()}
    seen = coefficients.changed(coefficients.networks(base), moved, base.finest)
    held = weight_changes.apply(base, weight_changes.Changes(step=15, wider=0, integers=integers))
    assert {np.abs(w).max() for w in held.values()} >= {weights.LARGEST}
    for name, w in held.items():
        np.testing.assert_allclose(seen[name], w / 2**weights.BITS, atol=2.0**-weights.BITS)


def test_what_is_rounded_in_turns_is_better_than_what_is_rounded_at_the_end(photo):
    step = 2.0**-3

    def mse(quantization):
        fitted, target, base = fitted_by(photo, quantization, steps=200)
        fitted = fitted._replace(state=fitted.state._replace(quantization_step=step))
        symbols = quantize.symbols(fitted.latents, base.finest)
        return quantize.measure(base, quantize.changes(fitted, base, target, symbols), symbols, target)[1]

    assert mse(lambda fitted: step) < 0.8 * mse(None)


def test_a_short_fit_leaves_changes_to_be_rounded_for_the_file(photo):
    fitted, target, base = fitted_by(photo, lambda fitted: 2.0**-6, steps=25)
    assert np.isinf(fitted.state.quantization_step)
    symbols = quantize.symbols(fitted.latents, base.finest)
    changes = quantize.changes(fitted, base, target, symbols)
    assert any(np.any(q) for q in changes.integers.values())
    mse, unchanged = (quantize.measure(base, found, symbols, target)[1] for found in (changes, None))
    assert mse < unchanged


def test_a_fit_that_diverges_is_made_again_more_slowly(monkeypatch, photo):
    tried = []

    def soft(state, target, base, config, steer, lambda_, *, seed, **others):
        tried.append((config.weight_rate, config.latent_rate, seed))
        if len(tried) < 3:
            raise FloatingPointError("the fit diverged")
        return fit.Fitted(state, lambda_)

    monkeypatch.setattr(fit, "soft", soft)
    config = latent.Config(steps=25, weight_rate=0.16, latent_rate=0.04)
    pixels = planes.of(photo)
    job = Job(photo, pixels, 4, config, 2**32 - 1, lambda done, word: None)
    search._fitted(job, rate.Target(lambda_=1e-3), 1e-3)
    assert tried == [(0.16, 0.04, 2**32 - 1), (0.04, 0.02, 0), (0.01, 0.01, 1)]


def test_a_file_that_meets_its_target_is_kept_where_a_fit_that_goes_on_diverges(monkeypatch, photo):
    tried = []

    def soft(state, *arguments, again=False, **others):
        tried.append((arguments[2].weight_rate, again))
        if again or len(tried) == 1:
            raise FloatingPointError("the fit diverged")
        return fit.Fitted(state, 1e-3)

    monkeypatch.setattr(fit, "soft", soft)
    data = dfm.encode(photo, "latent", "fast", max_bytes=100_000)
    assert dfm.decode(data).shape == photo.shape
    assert tried == [(0.03, False), (0.03 / 4, False), (0.03 / 4, True)]


def test_a_fit_that_goes_on_diverging_is_an_error(monkeypatch, photo):
    def soft(*arguments, **others):
        raise FloatingPointError("the fit diverged")

    monkeypatch.setattr(fit, "soft", soft)
    with pytest.raises(ValueError, match="3 fits of the image diverged; choose another seed"):
        dfm.encode(photo, "latent", "fast", lambda_=1e-3)


def test_coefficients_that_are_expected_to_be_small_are_rounded_first():
    base = coefficients.networks(weights.base(4))
    turns = coefficients.turns(base)
    spreads = np.concatenate([along.spread.ravel() for along in base.directions.values()])
    order = np.argsort(np.concatenate([turn.ravel() for turn in turns.values()]), kind="stable")
    assert np.all(np.diff(spreads[order]) >= 0)
    assert spreads[order[0]] < spreads[order[-1]]


@pytest.mark.parametrize("preset", ["instant", "short"])
@pytest.mark.parametrize("budget", [80, 300])
def test_bytes_are_never_above_the_budget(photo, short, preset, budget):
    assert len(dfm.encode(photo, "latent", preset, max_bytes=budget)) <= budget


@pytest.mark.parametrize("preset", ["instant", "short"])
def test_the_psnr_is_never_below_the_one_asked_for(photo, short, preset):
    assert quality(photo, dfm.encode(photo, "latent", preset, min_psnr=25.0)) >= 25


def test_a_psnr_out_of_reach_is_an_error_that_says_what_is_in_reach(photo):
    with pytest.raises(
        ValueError, match=r"70.0 dB are out of reach of this preset; ask for at most [34]\d\.\d dB"
    ):
        dfm.encode(photo, "latent", "instant", min_psnr=70.0)


def test_too_few_bytes_are_an_error_that_says_how_many_are_missing(photo):
    with pytest.raises(ValueError, match=r"bytes are too few for this image; allow \d+ more") as error:
        dfm.encode(photo, "latent", "instant", max_bytes=19)
    least = 19 + int(re.search(r"(\d+) more", str(error.value))[1])
    assert len(dfm.encode(photo, "latent", "instant", max_bytes=least)) == least
    with pytest.raises(ValueError, match="allow 1 more"):
        dfm.encode(photo, "latent", "instant", max_bytes=least - 1)


def slope(photo):
    """Give alpha that rises along an image."""
    return np.linspace(0, 255, photo[..., :1].size).astype(np.uint8).reshape(*photo.shape[:2], 1)


def with_alpha(photo):
    return np.concatenate([photo, slope(photo)], axis=2)


@pytest.mark.parametrize("budget", [200, 400])
def test_bytes_of_color_and_alpha_are_never_above_the_budget(photo, budget):
    data = dfm.encode(with_alpha(photo), "latent", "instant", max_bytes=budget)
    assert 0.5 * budget < len(data) <= budget


def test_bytes_that_alpha_lacks_are_told_for_the_whole_image(photo):
    with pytest.raises(ValueError, match=r"of which alpha has a quarter; allow \d+ more") as error:
        dfm.encode(with_alpha(photo), "latent", "instant", max_bytes=26)
    enough = 26 + int(re.search(r"(\d+) more", str(error.value))[1])
    assert len(dfm.encode(with_alpha(photo), "latent", "instant", max_bytes=enough)) <= enough


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_kind_of_pixel_comes_back(photo, channels):
    planes = [photo[..., 1:2]] if channels < 3 else [photo]
    pixels = np.concatenate([*planes, *([slope(photo)] if channels % 2 == 0 else [])], axis=2)
    data = dfm.encode(pixels, "latent", "instant", min_psnr=24.0)
    decoded = dfm.decode(data).reshape(pixels.shape)
    for c in range(channels):
        assert metrics.psnr(pixels[..., c : c + 1], decoded[..., c : c + 1]) > 20


def test_opaque_alpha_takes_no_bytes_of_its_own(photo):
    opaque = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    data = dfm.encode(opaque, "latent", "instant", lambda_=1e-3)
    assert dfm.info(data)["network"]["alpha"] == 0
    assert np.all(dfm.decode(data)[..., 3] == 255)
    assert len(data) <= len(dfm.encode(photo, "latent", "instant", lambda_=1e-3)) + 2


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (7, 2, 1)])
def test_tiny_images_are_coded(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    data = dfm.encode(pixels, "latent", "instant", lambda_=1e-3)
    assert dfm.decode(data).reshape(shape).shape == shape


def test_what_is_transparent_leaves_no_color_at_edges():
    image = np.zeros((8, 8, 4), np.uint8)
    image[2:6, 2:6] = 255, 0, 0, 255
    resampled = latent._resampled(image, (16, 16), (0, 0, 16, 16))
    assert resampled.shape == (16, 16, 4)
    assert np.all(resampled[resampled[:, :, 3] > 30][:, 0] > 250)


def test_a_region_is_a_part_of_the_whole_and_a_scale_resamples(photo):
    data = dfm.encode(photo, "latent", "instant", lambda_=1e-3)
    whole = dfm.decode(data)
    np.testing.assert_array_equal(dfm.decode(data, region=(5, 3, 20, 10)), whole[3:13, 5:25])
    assert dfm.decode(data, scale=2).shape == (64, 96, 3)
    assert dfm.decode(data, scale=1000, region=(30_000, 20_000, 7, 5)).shape == (5, 7, 3)


@pytest.mark.parametrize("size", [(96, 64), (80, 40), (31, 97), (24, 16), (48, 200)], ids=str)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_region_at_another_size_is_a_part_of_the_whole_to_the_bit(photo, size, channels):
    image = np.concatenate([photo, photo[::-1, :, :1]], axis=2)[..., -channels:]
    whole = latent._resampled(image, size, (0, 0, *size))
    assert whole.shape == (size[1], size[0], channels)
    kind = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    resized = Image.fromarray(image.squeeze(), kind).resize(size, Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(resized).reshape(whole.shape).astype(int) - whole).mean() < 1
    for x, y, width, height in np.random.default_rng(0).integers(1, 9, (20, 4)).tolist():
        part = latent._resampled(image, size, (x, y, width, height))
        np.testing.assert_array_equal(part, whole[y : y + height, x : x + width])


def test_a_base_that_this_version_lacks_is_named():
    header = container.Header(codec="late", width=8, height=8, channels=3)
    with pytest.raises(
        container.FormatError, match=r"base networks 99, which this version lacks; update dfm"
    ):
        dfm.decode(container.pack(header, bytes([99, 1, 2])))


@pytest.mark.parametrize("number", range(weights.BASES))
def test_bases_are_complete(number):
    base = weights.base(number)
    assert {name: w.shape for name, w in base.weights.items()} == weights.shapes(base.finest)
    assert max(np.abs(w).max() for w in base.weights.values()) <= weights.LARGEST
    shapes = {group: along.spread.shape for group, along in base.directions.items()}
    assert shapes == weights.shapes_of_groups(base.finest)
    assert min(along.shift for along in base.directions.values()) >= weight_changes.STEPS // 2
