import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfm import rate

POSITIVE = st.floats(min_value=0, max_value=1e300, exclude_min=True)


@given(POSITIVE, POSITIVE, st.integers(min_value=1))
def test_target_holds_what_is_given(lambda_, min_psnr, max_bytes):
    assert rate.Target(lambda_=lambda_) == rate.target(1, lambda_=lambda_)
    assert rate.Target(min_psnr=min_psnr) == rate.target(1, min_psnr=min_psnr)
    assert rate.Target(max_bytes=max_bytes) == rate.target(1, max_bytes=max_bytes)


@given(st.floats(min_value=1e-3, max_value=100), st.integers(1, 10**8))
def test_max_bpp_is_used_to_the_last_byte_and_never_exceeded(max_bpp, pixels):
    if max_bpp * pixels < 8:
        with pytest.raises(ValueError, match="not even a byte"):
            rate.target(pixels, max_bpp=max_bpp)
        return
    max_bytes = rate.target(pixels, max_bpp=max_bpp).max_bytes
    assert 8 * max_bytes <= max_bpp * pixels < 8 * (max_bytes + 1)


def test_no_option_means_the_default_lambda():
    assert rate.target(100) == rate.Target(lambda_=rate.DEFAULT_LAMBDA)


@pytest.mark.parametrize("name", ["lambda_", "max_bytes", "min_psnr", "max_bpp"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_target_that_is_not_positive_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}; give a finite number above 0"):
        rate.target(100, **{name: value})


@pytest.mark.parametrize("name", ["lambda_", "min_psnr", "max_bpp"])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_target_that_is_not_finite_is_refused(name, value):
    with pytest.raises(ValueError, match="finite"):
        rate.target(100, **{name: value})


def test_a_fraction_of_a_byte_is_refused():
    with pytest.raises(TypeError):
        rate.Target(max_bytes=10.5)


@pytest.mark.parametrize(
    "given", [{}, {"lambda_": 1e-3, "max_bytes": 10}, {"min_psnr": 30.0, "max_bytes": 10}]
)
def test_target_takes_exactly_one_aim(given):
    with pytest.raises(ValueError, match="exactly one"):
        rate.Target(**given)


def test_two_options_are_named_in_the_error():
    with pytest.raises(ValueError, match="max_bpp and min_psnr are given; give one of"):
        rate.target(100, max_bpp=1.0, min_psnr=30.0)
