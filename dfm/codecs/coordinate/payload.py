"""Pack and unpack the payload of a coordinate file (docs/format.md)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from dfm import entropy
from dfm.codecs.coordinate.shape import DEPTHS, WIDTHS, Shape
from dfm.container import DAMAGED, FormatError

BITS = 20  # of the fraction of a coefficient
FLOAT32, CODED = 0, 1
PREFIX = 2  # bytes before coefficients
STEP_CODES = 200
STEPS = 8  # codes per octave
EXACT = 8  # from this step on, in units of 2^-20, a code has its own step

_LARGEST = 0x47800000  # 2^16 as float32

Layers = list[Int64[np.ndarray, "_f _n"]]


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """Hold the integers of each layer [f, n] and the code of its step."""

    integers: Layers
    codes: list[int]

    def coefficients(self) -> Layers:
        """Give the coefficients in units of 2^-20."""
        return [q * step(code) for q, code in zip(self.integers, self.codes, strict=True)]


def step(code: int) -> int:
    """Give the quantization step of a code 0..199 in units of 2^-20: eight codes an octave."""
    return (STEPS + code % STEPS << code // STEPS) // STEPS


def nearest_code(value: float) -> int:
    """Find the code whose step, in units of 2^-20, has the ratio nearest to 1 to `value`."""
    steps = np.array([step(code) for code in range(STEP_CODES)], np.float64)
    return int(np.argmin(np.abs(np.log(steps / max(value, 1.0)))))


def quantize(layers: Sequence[np.ndarray], steps: Sequence[float]) -> Quantized:
    """Round real coefficients to multiples of the coded steps nearest to `steps`."""
    codes = [nearest_code(value * 2**BITS) for value in steps]
    integers = [
        np.rint(np.asarray(w, np.float64) * 2**BITS / step(code)).astype(np.int64)
        for w, code in zip(layers, codes, strict=True)
    ]
    return Quantized(integers=integers, codes=codes)


def pack(shape: Shape, quantized: Quantized) -> bytes:
    """Give the payload of entropy-coded coefficients."""
    flat = [q.ravel() for q in quantized.integers]
    scales = [entropy.best_code(q) for q in flat]
    sides = bytes(code for pair in zip(quantized.codes, scales, strict=True) for code in pair)
    return _prefix(shape, CODED) + sides + entropy.encode(list(zip(flat, scales, strict=True)))


def pack_float32(shape: Shape, layers: Sequence[np.ndarray]) -> bytes:
    """Give the payload of coefficients as little-endian float32, the thesis's own."""
    return _prefix(shape, FLOAT32) + b"".join(np.asarray(w, "<f4").tobytes() for w in layers)


def unpack(payload: bytes, channels: int) -> tuple[Shape, Layers, int]:
    """Read the shape, the coefficients in units of 2^-20, and how they were stored.

    Raises:
        FormatError: the payload is damaged.
    """
    shape, kind = describe(payload, channels)
    if kind == FLOAT32:
        return shape, _floats(payload[PREFIX:], shape), kind
    sides = payload[PREFIX : PREFIX + 2 * len(shape.layers)]
    codes, scales = sides[::2], sides[1::2]
    if len(sides) < 2 * len(shape.layers) or max(codes) >= STEP_CODES:
        raise FormatError(f"the steps of the coefficients are cut or out of range; {DAMAGED}")
    sizes = [f * n for f, n in shape.layers]
    flat = entropy.decode(payload[2 + len(sides) :], list(zip(sizes, scales, strict=True)))
    integers = [q.reshape(layer) for q, layer in zip(flat, shape.layers, strict=True)]
    return shape, Quantized(integers=integers, codes=list(codes)).coefficients(), kind


def describe(payload: bytes, channels: int) -> tuple[Shape, int]:
    """Read the shape, and how the coefficients are stored.

    Raises:
        FormatError: the payload is damaged.
    """
    if len(payload) < PREFIX or payload[1] not in (FLOAT32, CODED) or payload[0] & 15 not in WIDTHS:
        raise FormatError(f"the shape of the network is cut or unknown; {DAMAGED}")
    shape = Shape(width=payload[0] & 15, depth=(payload[0] >> 4) + 1, channels=channels)
    return shape, payload[1]


def _prefix(shape: Shape, kind: int) -> bytes:
    return bytes([DEPTHS.index(shape.depth) << 4 | shape.width, kind])


def _floats(data: bytes, shape: Shape) -> Layers:
    if len(data) != 4 * shape.parameters:
        raise FormatError(f"{len(data)} bytes of coefficients, not {4 * shape.parameters}; {DAMAGED}")
    magnitudes = np.frombuffer(data, "<u4") & 0x7FFFFFFF  # comparing NaN as a float may warn
    if np.any(magnitudes >= _LARGEST):
        raise FormatError(f"a coefficient is not finite or 2^16 and more; {DAMAGED}")
    integers = np.rint(np.frombuffer(data, "<f4").astype(np.float64) * 2**BITS).astype(np.int64)
    ends = np.cumsum([f * n for f, n in shape.layers])[:-1]
    return [w.reshape(layer) for w, layer in zip(np.split(integers, ends), shape.layers, strict=True)]
