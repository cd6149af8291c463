"""The search for a target: what is tried first, how lambda is steered, and how files are judged."""

import itertools

import numpy as np
import pytest

import dfm
from dfm import metrics, rate
from dfm.codecs import latent
from dfm.codecs.latent import fit, planes, quantize, search, weights
from dfm.codecs.latent.job import Job, Sketch


@pytest.fixture
def judged(photo, monkeypatch):
    """Give what judges a stream of a size and a PSNR."""
    job = Job(photo, planes.of(photo), 4, latent.Config(steps=1), 0, lambda *_: None)

    def judge(target, aim, size=0, psnr=0.0):
        monkeypatch.setattr(Job, "psnr", lambda *_: psnr)
        return search._judged(job, target, aim, bytes(size))

    return judge


@pytest.mark.parametrize(
    ("size", "met", "near"), [(900, True, False), (975, True, True), (1000, True, True), (1100, False, True)]
)
def test_bytes_are_judged_and_the_next_aim_makes_up_for_what_was_missed(judged, size, met, near):
    target = rate.Target(max_bytes=1000)
    found = judged(target, target, size)
    assert found[:2] == (met, near)
    assert size * found[2].max_bytes / 1000 == pytest.approx(985, abs=2)  # as if bytes followed the aim
    assert judged(rate.Target(max_bytes=11), rate.Target(max_bytes=1), 400)[2].max_bytes == 1


@pytest.mark.parametrize(
    ("psnr", "met", "near"), [(29.0, False, True), (30.05, True, True), (35.0, True, False)]
)
def test_a_psnr_is_judged_and_the_next_aim_makes_up_for_what_was_missed(judged, psnr, met, near):
    target = rate.Target(min_psnr=30.0)
    found = judged(target, target, psnr=psnr)
    assert found[:2] == (met, near)
    assert psnr + found[2].min_psnr - 30 == pytest.approx(30.05)


def test_an_image_that_comes_out_without_loss_meets_any_psnr(judged, monkeypatch):
    met, _, aim = judged(rate.Target(min_psnr=30.0), rate.Target(min_psnr=5.0), psnr=np.inf)
    assert met
    assert aim.min_psnr > 0
    monkeypatch.undo()
    flat = np.full((32, 48, 3), 255, np.uint8)
    assert metrics.psnr(flat, dfm.decode(dfm.encode(flat, "latent", "instant", min_psnr=30.0))) >= 30


def test_lambda_is_steered_up_where_bytes_are_too_many_and_down_where_the_error_is_too_large(
    photo, monkeypatch
):
    monkeypatch.setattr(quantize, "likely_bytes", lambda *_: 100.0)
    job = Job(photo, planes.of(photo), 4, latent.Config(steps=1), 0, lambda *_: None)
    state = fit.start(job.base, job.pixels)

    def steered(aim, bits, mse):
        return search._steered(job, aim, state, fit.Report(float(mse), float(bits), 0.0), 1e-3)

    few = rate.Target(max_bytes=1000)
    assert steered(few, 8 * 1100, 0) > steered(few, 8 * 950, 0) > 1e-3 > steered(few, 8 * 850, 0)
    good = rate.Target(min_psnr=30.0)
    assert steered(good, 0, 1.05e-3) < 1e-3 < steered(good, 0, 0.95e-3)
    assert steered(rate.Target(lambda_=1e-3), 8, 0.5) == 1e-3


def test_the_first_lambda_is_the_higher_the_fewer_the_bytes_and_the_lower_the_psnr(photo):
    pixels, settings = planes.of(photo), latent.Config(steps=1)
    jobs = [Job(photo, pixels, n, settings, 0, lambda *_: None) for n in range(weights.BASES)]
    of_bytes = [search._first(jobs, rate.Target(max_bytes=n))[1] for n in (30, 300, 1000, 10_000)]
    of_psnr = [search._first(jobs, rate.Target(min_psnr=x))[1] for x in (45.0, 35.0, 25.0, 15.0)]
    for lambdas in (of_bytes, of_psnr[::-1]):
        assert all(a > 1.5 * b for a, b in itertools.pairwise(lambdas))


@pytest.mark.parametrize(
    ("loss", "steps", "chosen"), [(0.7e-3, 25, 3), (1.05e-3, 25, 2), (1.05e-3, 1500, 3), (1.15e-3, 1500, 2)]
)
def test_octave_0_has_to_lead_in_guesses_by_less_the_longer_the_fit(monkeypatch, photo, loss, steps, chosen):
    losses = {2: 1.1e-3, 3: loss}
    monkeypatch.setattr(Job, "sketch", lambda job: Sketch(job, 100.0, 1e-3, losses[job.number]))
    config = latent.Config(steps=steps)
    jobs = [Job(photo, None, number, config, 0, lambda done, word: None) for number in losses]
    assert [sketch.job.number for sketch in search._best(jobs)] == [chosen]
