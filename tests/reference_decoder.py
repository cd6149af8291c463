"""Decode .dfm files from docs/format.md alone: plain integers, no library, one step after the other.

It shares no line with dfm and is the proof that the document is complete. Names and the order of functions
are those of the document.
"""

import functools
import itertools
import math
import zlib


class Damaged(Exception):
    """Say that the document calls these bytes an error."""


def decode(
    data: bytes, size: tuple[int, int] | None = None, region: tuple[int, int, int, int] | None = None
) -> list[list[list[int]]]:
    """Give rows of pixels, each a list of its channels."""
    width, height, channels, payload = container(data, b"coor")
    layers = coefficients(payload, channels)
    columns, rows = size or (width, height)
    x, y, w, h = region or (0, 0, columns, rows)
    return [
        [pixel(layers, [position(i, columns), position(j, rows)]) for i in range(x, x + w)]
        for j in range(y, y + h)
    ]


def container(data: bytes, codec: bytes) -> tuple[int, int, int, bytes]:
    check(data[:6] == bytes([0x89, 0x64, 0x66, 0x6D, 0x0D, 0x0A]) and len(data) >= 18)
    body, checksum = data[:-4], data[-4:]
    check(int.from_bytes(checksum, "little") == zlib.crc32(body))
    check(body[6] == 1 and body[7:11] == codec)
    width, at = varint(body, 11)
    height, at = varint(body, at)
    check(1 <= width < 2**28 and 1 <= height < 2**28)
    check(at < len(body) and 1 <= body[at] <= 4)
    return width, height, body[at], body[at + 1 :]


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(5):
        check(at + i < len(data))
        byte = data[at + i]
        value += (byte % 128) * 128**i
        if byte < 128:
            check(byte > 0 or i == 0)
            return value, at + i + 1
    raise Damaged


def coefficients(payload: bytes, channels: int) -> list[list[list[int]]]:
    check(len(payload) >= 2 and 2 <= payload[0] % 16 <= 10 and payload[1] in (0, 1))
    widths = [2] + [payload[0] % 16] * (payload[0] // 16 + 1) + [channels]
    shapes = [(2 * 2**m - 1, n) for m, n in itertools.pairwise(widths)]
    read = coded if payload[1] == 1 else floats
    layers = [
        [flat[row * n : row * n + n] for row in range(f)]
        for (f, n), flat in zip(shapes, read(payload[2:], shapes), strict=True)
    ]
    for layer in layers:
        for column in zip(*layer, strict=True):
            check(sum(abs(value) for value in column) < 2**37)
    return layers


def floats(data: bytes, shapes: list[tuple[int, int]]) -> list[list[int]]:
    check(len(data) == 4 * sum(f * n for f, n in shapes))
    values = [float32(int.from_bytes(data[at : at + 4], "little")) for at in range(0, len(data), 4)]
    flat = iter(values)
    return [[next(flat) for _ in range(f * n)] for f, n in shapes]


def float32(word: int) -> int:
    """Give 2^20 times an IEEE 754 number, rounded, halves to even."""
    sign, exponent, fraction = word >> 31, word >> 23 & 255, word & 2**23 - 1
    check(exponent < 127 + 16)
    significand = fraction + 2**23 if exponent else fraction
    shift = max(exponent, 1) - 127 - 23 + 20
    if shift >= 0:
        magnitude = significand << shift
    else:
        whole, rest, half = significand >> -shift, significand % 2**-shift, 2 ** (-shift - 1)
        magnitude = whole + (rest > half or (rest == half and whole % 2 == 1))
    return -magnitude if sign else magnitude


def coded(data: bytes, shapes: list[tuple[int, int]]) -> list[list[int]]:
    sides = data[: 2 * len(shapes)]
    check(len(sides) == 2 * len(shapes) and all(code < 200 for code in sides[::2]))
    coder = RangeDecoder(data[len(sides) :])
    layers = []
    for i, (f, n) in enumerate(shapes):
        step_code, scale_code = sides[2 * i], sides[2 * i + 1]
        step = (8 + step_code % 8) * 2 ** (step_code // 8) // 8
        layers.append([step * q for q in integers(coder, f * n * [scale_code])])
    return layers


class RangeDecoder:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.lower = 0
        self.range = 2**64 - 1
        self.point = self.word() * 2**32 + self.word()

    def word(self) -> int:
        four = self.data[self.at : self.at + 4]
        self.at += 4
        return int.from_bytes(four + bytes(4 - len(four)), "big")

    def symbol(self, frequencies: list[int]) -> int:
        scale = self.range // 2**24
        quantile = (self.point - self.lower) % 2**64 // scale
        check(quantile < 2**24)
        symbol, left = 0, 0
        while quantile >= left + frequencies[symbol]:
            left += frequencies[symbol]
            symbol += 1
        self.narrow(scale, left, frequencies[symbol])
        return symbol

    def plain(self, bits: int) -> int:
        scale = self.range // 2**24
        quantile = (self.point - self.lower) % 2**64 // scale
        check(quantile < 2**24)
        value = quantile // 2 ** (24 - bits)
        self.narrow(scale, value * 2 ** (24 - bits), 2 ** (24 - bits))
        return value

    def narrow(self, scale: int, left: int, frequency: int) -> None:
        self.lower = (self.lower + scale * left) % 2**64
        self.range = scale * frequency
        if self.range < 2**32:
            self.lower = self.lower * 2**32 % 2**64
            self.range *= 2**32
            self.point = self.point * 2**32 % 2**64 + self.word()


def integers(coder: RangeDecoder, codes: list[int]) -> list[int]:
    values = []
    for start in range(0, len(codes), 4096):
        tables = [table(code) for code in codes[start : start + 4096]]
        symbols = [coder.symbol(frequencies) for frequencies, _ in tables]
        shifts = [shift for _, shift in tables]
        widths = [WIDTHS[(symbol + 1) // 2] + shift for symbol, shift in zip(symbols, shifts, strict=True)]
        extras = [0] * len(symbols)
        for first in range(0, max(widths), 16):
            for i, width in enumerate(widths):
                if width > first:
                    extras[i] += coder.plain(min(16, width - first)) << first
        for symbol, shift, extra in zip(symbols, shifts, extras, strict=True):
            magnitude = LOWS[(symbol + 1) // 2] + (extra >> shift)
            h = magnitude if symbol % 2 else -magnitude
            q = (h << shift) + extra % 2**shift - 2**shift // 2
            check(-(2**31) <= q < 2**31)
            values.append(q)
    return values


WIDTHS = [0] * 8 + [1] * 4 + [2] * 4 + [3] * 4 + [6, 7, 8, 9, 12, 16, 20, 24, 28, 31]
LOWS = [sum(2**width for width in WIDTHS[:kind]) for kind in range(len(WIDTHS))]


@functools.cache
def table(code: int) -> tuple[list[int], int]:
    """Give the frequencies of the 59 classes, and the number of plain low bits."""
    scale, tables = (code, 56) if code < 128 else (code - 128, 44)
    shift = (scale - tables) // 8 + 1 if scale >= tables else 0
    scale -= 8 * shift
    if code < 128:
        exponents = [(16 - scale % 8) * h * 2 ** (9 - scale // 8) for h in range(128)]
    else:
        exponents = [(8 - scale % 4) * h * h * 2 ** (10 - scale // 4) for h in range(128)]
    weights = [power(x) for x in exponents]
    mass = [sum(weights[low : low + 2**width]) for low, width in zip(LOWS, WIDTHS, strict=True)]
    classes = [mass[(symbol + 1) // 2] for symbol in range(59)]
    frequencies = [1 + (2**24 - 59) * m // sum(classes) for m in classes]
    frequencies[0] += 2**24 - sum(frequencies)
    return frequencies, shift


def power(x: int) -> int:
    """Give 2^(31 - x / 512), each product rounded down."""
    out, root = 2**31, 2**30
    for bit in (8, 7, 6, 5, 4, 3, 2, 1, 0):
        root = math.isqrt(root * 2**31)
        if x >> bit & 1:
            out = out * root >> 31
    return out >> (x >> 9)


def position(i: int, size: int) -> int:
    return (2**15 * (2 * i + 1 - size) + size) // (2 * size)


def pixel(layers: list[list[list[int]]], x: list[int]) -> list[int]:
    for layer in layers:
        phases = [0]
        for component in x:
            phases += [(phase + component) % 2**16 for phase in phases]
        basis = [cosine(phase) for phase in phases] + [cosine(phase - 2**14) for phase in phases[1:]]
        y = []
        for column in zip(*layer, strict=True):
            total = sum(value * b for value, b in zip(column, basis, strict=True))
            y.append((total + 2**18) >> 19)
        x = [a + b for a, b in zip(x, y, strict=True)] if len(x) == len(y) else y
    return [sum(threshold <= u for threshold in thresholds()) for u in x]


def cosine(phase: int) -> int:
    phase %= 2**16
    phase = min(phase, 2**16 - phase)
    return quarter()[phase] if phase <= 2**14 else -quarter()[2**15 - phase]


@functools.cache
def quarter() -> list[int]:
    """Give round(2^15 cos(2 pi i / 2^16)) for i = 0..2^14, from a power series in units of 2^-80."""
    one = 2**80
    turn = 8 * (4 * arctan_of_inverse(5, one) - arctan_of_inverse(239, one))
    out = []
    for i in range(2**14 + 1):
        angle = turn * i >> 16
        square, term, total, n = angle * angle // one, one, one, 0
        while term:
            term = term * square // one // ((n + 1) * (n + 2))
            n += 2
            total += term if n % 4 == 0 else -term
        out.append((total * 2**15 + one // 2) // one)
    return out


def arctan_of_inverse(n: int, one: int) -> int:
    total, power_, k = 0, one // n, 0
    while power_:
        total += (power_ if k % 2 == 0 else -power_) // (2 * k + 1)
        power_ //= n * n
        k += 1
    return total


@functools.cache
def thresholds() -> list[int]:
    """Give ceil(2^15 ln((2p - 1) / (511 - 2p))) for p = 1..255; ln(a / b) = 2 artanh((a - b) / (a + b))."""
    one, out = 2**80, []
    for p in range(1, 256):
        z = abs(4 * p - 512) * one // 510
        square, term, total, k = z * z // one, z, 0, 1
        while term:
            total += term // k
            term, k = term * square // one, k + 2
        value = 2**16 * total if p >= 128 else -(2**16) * total
        out.append(-(-value // one))
    return out


def check(fact: bool) -> None:
    if not fact:
        raise Damaged
