"""Decode the payload of `late` from docs/format.md alone: plain integers, one pixel after the other.

It shares no line with dfm. The order of functions is that of section 6.
"""

import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.reference_decoder import RangeDecoder, check, container, cosine, integers, power, varint

Weights = dict[str, list]
Directions = dict[str, tuple[list, list, int, list]]  # left, right, shift and spread of each group
Base = tuple[int, Weights, Directions]  # with `finest` before them
Rows = list[list[int]]
FOLDER = Path(__file__).parent.parent / "dfm" / "codecs" / "latent" / "base"


def from_file(number: int) -> Base:
    """Read base networks that come with dfm."""
    check((FOLDER / f"{number}.npz").exists())
    with np.load(FOLDER / f"{number}.npz") as data:
        finest = int(data["finest"])
        directions = {
            group: tuple(data[f"{what}/{group}"].tolist() for what in ("left", "right", "shift", "spread"))
            for group in groups(finest)
        }
        return finest, {name: data[f"base/{name}"].tolist() for name in shapes(finest)}, directions


def decode_file(data: bytes) -> list[Rows]:
    """Give rows of pixels of a file."""
    width, height, channels, payload = container(data, b"late")
    return decode(payload, width, height, channels)


def decode(
    payload: bytes, width: int, height: int, channels: int, base: Callable[[int], Base] = from_file
) -> list[Rows]:
    """Give rows of pixels, each a list of its channels."""
    color, alpha, at = payload, None, 0
    if channels in (2, 4):
        size, at = varint(payload, 0)
        check(size <= len(payload) - at)
        color, alpha = payload[at : at + size], payload[at + size :]
    image = stream(color, width, height, base)
    if channels < 3:
        image = [[[sum(pixel, 1) // 3] for pixel in row] for row in image]
    if alpha is None:
        return image
    opacity = stream(alpha, width, height, base) if alpha else [[[255] * 3] * width] * height
    return [
        [[*pixel, sum(a, 1) // 3] for pixel, a in zip(*rows, strict=True)]
        for rows in zip(image, opacity, strict=True)
    ]


def stream(data: bytes, width: int, height: int, base: Callable[[int], Base]) -> list[Rows]:
    check(len(data) > 0)
    coder = RangeDecoder(data[1:])
    finest, w, directions = base(data[0] % 128)
    if data[0] >= 128:
        w = changed(coder, finest, w, directions)
    found: list[tuple[int, Rows]] = []
    for i, (octave, _) in enumerate(order(finest)):
        found.append((octave, grid(coder, w, i, octave, found, -(-height >> octave), -(-width >> octave))))
    seen = {o: g for (o, hyper), (_, g) in zip(order(finest), found, strict=True) if not hyper}
    return pixels(w, seen, width, height)


def order(finest: int) -> list[tuple[int, bool]]:
    """List octaves, and whether a grid holds hyper-latents."""
    hyper = [(o, is_hyper) for o in (6, 5, 4) for is_hyper in (True, False)]
    return hyper + [(o, False) for o in (3, 2, 1, 0) if o >= finest]


def shapes(finest: int) -> dict[str, tuple[int, ...]]:
    c = 10 - 4 * finest
    out: dict[str, tuple[int, ...]] = {"context.grids": (10 - finest, 20)}
    out |= {"context.1": (20, 20), "context.1.bias": (20,), "context.2": (20, 20), "context.2.bias": (20,)}
    out |= {"context.3": (2, 20), "context.skip": (2, 20), "context.3.bias": (2,)}
    for o in range(finest, 6):
        out |= {f"features.{o}": (32, [17, 16, 15, 14, 12, 10][o]), f"features.{o}.bias": (32,)}
    out |= {"upsampling": (5, 4), "sharpening": (5, 4)}
    for name, inputs in (("synthesis.1", 9 * c), ("synthesis.2", 108)):
        out |= {name: (17, inputs), f"{name}.bias": (17,), f"{name}.fourier": (63, 12)}
    return out


def groups(finest: int) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for name in shapes(finest):
        if name != "context.skip" and not name.endswith(".bias"):
            skip = ["context.skip"] if name == "context.3" else []
            out[name] = [n for n in [name, *skip, f"{name}.bias"] if n in shapes(finest)]
    return out


def changed(coder: RangeDecoder, finest: int, w: Weights, directions: Directions) -> Weights:
    step, wider = integers(coder, [60, 60])
    check(0 <= step <= 31 and -128 <= wider <= 128)
    out = dict(w)
    for group, names in groups(finest).items():
        left, right, shift, spread = directions[group]
        m, n = len(left), len(right)
        q = integers(coder, [code(min(max(s + wider, 0), 127)) for row in spread for s in row])
        check(all(abs(value) <= 4095 for value in q))
        half = [[sum(left[i][k] * q[k * n + j] for k in range(m)) for j in range(n)] for i in range(m)]
        product = [[sum(half[i][k] * right[j][k] for k in range(n)) for j in range(n)] for i in range(m)]
        matrix = [[rounded((2 + step % 2) * p, shift - step // 2) for p in row] for row in product]
        at = 0
        for name in names:
            old = [row if isinstance(row, list) else [row] for row in w[name]]
            columns = len(old[0])
            new = [
                [clip(old[i][j] + matrix[i][at + j], -32767, 32767) for j in range(columns)] for i in range(m)
            ]
            out[name] = [row[0] for row in new] if name.endswith(".bias") else new
            at += columns
    return out


def code(level: int) -> int:
    """Give the scale code of a level."""
    u = 2 ** ((64 - level) / 8)
    return round(8 * math.log2(16 / math.log2(u + math.sqrt(u * u + 1))))


def grid(coder: RangeDecoder, w: Weights, i: int, octave: int, found: list, rows: int, columns: int) -> Rows:
    q = [[0] * columns for _ in range(rows)]
    for t in range(columns + 2 * rows - 2):
        places = [(y, t - 2 * y) for y in range(rows) if 0 <= t - 2 * y < columns]
        laws = [context(w, i, neighbors(q, y, x) + features(w, octave, found, y, x)) for y, x in places]
        for (y, x), symbol in zip(places, run(coder, laws), strict=True):
            check(abs(symbol) <= 2**15)
            q[y][x] = symbol
    return q


def run(coder: RangeDecoder, laws: list[tuple[int, int]]) -> list[int]:
    """Read a symbol for each mean and scale."""
    shifts = [(scale - 56) // 8 + 1 if scale >= 56 else 0 for _, scale in laws]
    classes = [
        coder.symbol(table(scale - 8 * shift, mean % 32 >> shift))
        for (mean, scale), shift in zip(laws, shifts, strict=True)
    ]
    escaped = [n for n, c in enumerate(classes) if c in (0, 33)]
    bits = {n: coder.plain(5) for n in escaped}
    excess = dict.fromkeys(escaped, 0)
    for first in (0, 16):
        for n in escaped:
            if bits[n] > first:
                excess[n] += coder.plain(min(16, bits[n] - first)) << first
    h = [c - 16 for c in classes]
    for n in escaped:
        h[n] += (excess[n] + 2 ** bits[n] - 1) * (1 if classes[n] else -1)
    low = [coder.plain(shift) if shift else 0 for shift in shifts]
    return [
        (h[n] << shifts[n]) + low[n] - (2 ** shifts[n] >> 1) + (laws[n][0] >> 5) for n in range(len(laws))
    ]


@functools.cache
def table(scale: int, fraction: int) -> list[int]:
    rate = 24204406 * power(64 * scale) >> 31
    below = [0]
    for i in range(-16, 17):
        edge = 32 * i + 16 - fraction
        tail = power(abs(edge) * rate >> 15) >> 1
        below.append(tail if edge < 0 else 2**31 - tail)
    below.append(2**31)
    mass = [max(below[c + 1] - below[c], 0) + 2**13 for c in range(34)]
    frequencies = [1 + (2**24 - 34) * m // sum(mass) for m in mass]
    frequencies[16] += 2**24 - sum(frequencies)
    return frequencies


def rounded(a: int, b: int) -> int:
    return (a + 2 ** (b - 1)) >> b


def clip(a: int, low: int, high: int) -> int:
    return max(low, min(a, high))


def dot(a: list[int], b: list[int]) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


def inside(q: Rows, y: int, x: int) -> int:
    """Give an element of a grid that zeros surround."""
    return q[y][x] if 0 <= y < len(q) and 0 <= x < len(q[0]) else 0


def neighbors(q: Rows, y: int, x: int) -> list[int]:
    nearest = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0)]
    others = [(-1, -2), (-2, -1), (-2, 1), (-2, -2), (-2, 2), (0, -3)]
    return [2**10 * inside(q, y + dy, x + dx) for dy, dx in nearest + others]


def context(w: Weights, i: int, x: list[int]) -> tuple[int, int]:
    """Give mean and scale of a symbol."""
    x = [a + ((b + 2) >> 2) for a, b in zip(x, w["context.grids"][i], strict=True)]
    hidden = x
    for name in ("context.1", "context.2"):
        sums = [dot(w[name][m], hidden) + 2**12 * hidden[m] + 2**10 * w[f"{name}.bias"][m] for m in range(20)]
        hidden = [clip(rounded(total, 12), 0, 2**26) for total in sums]
    s = [
        dot(w["context.3"][k], hidden) + dot(w["context.skip"][k], x) + 2**10 * w["context.3.bias"][k]
        for k in range(2)
    ]
    return clip(rounded(s[0], 17), -(2**20), 2**20), clip(rounded(s[1], 19) + 40, 0, 152)


def features(w: Weights, octave: int, found: list[tuple[int, Rows]], y: int, x: int) -> list[int]:
    if octave == 6:
        return [0] * 8
    *others, (_, last) = [(o, q) for o, q in found if o > octave]
    seen = [q[y >> o - octave][x >> o - octave] for o, q in others]
    seen += [inside(last, (y >> 1) + i, (x >> 1) + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    child = 2 * (y % 2) + x % 2
    return [
        rounded(dot(w[f"features.{octave}"][row], seen) + w[f"features.{octave}.bias"][row], 2)
        for row in range(child, 32, 4)
    ]


def limit(a: int) -> int:
    return clip(a, -(2**28), 2**28)


def pixels(w: Weights, grids: dict[int, Rows], width: int, height: int) -> list[Rows]:
    p = block(w, "synthesis.1", upsampled(w, grids))
    q = block(w, "synthesis.2", p)

    def sample(k: int, y: int, x: int) -> int:
        m = 4 * k + 2 * (y % 2) + x % 2
        return (255 * clip(p[m][y >> 1][x >> 1] + q[m][y >> 1][x >> 1], 0, 2**16) + 2**15) >> 16

    return [[[sample(k, y, x) for k in range(3)] for x in range(width)] for y in range(height)]


def upsampled(w: Weights, grids: dict[int, Rows]) -> list[Rows]:
    planes = [times(grids[6])]
    for o in (5, 4, 3, 2, 1):
        fine = times(grids[o])
        doubled = [both(plane, lambda z, o=o: double(z, w["upsampling"][o - 1])) for plane in planes]
        sharper = both(fine, lambda z, o=o: sharpen(z, w["sharpening"][o - 1]))
        first = [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(fine, sharper, strict=True)]
        planes = [first] + [[row[: len(fine[0])] for row in plane[: len(fine)]] for plane in doubled]
    if 0 in grids:
        ys, xs = range(len(planes[0])), range(len(planes[0][0]))
        quarters = [
            [[2**16 * inside(grids[0], 2 * y + i, 2 * x + j) for x in xs] for y in ys]
            for i in (0, 1)
            for j in (0, 1)
        ]
        planes = quarters + planes
    return [[[limit(a) for a in row] for row in plane] for plane in planes]


def times(q: Rows) -> Rows:
    return [[2**16 * value for value in row] for row in q]


def both(plane: Rows, along: Callable[[list[int]], list[int]]) -> Rows:
    """Apply to the columns, then to the rows."""
    columns = [along(list(column)) for column in zip(*plane, strict=True)]
    return [along(list(row)) for row in zip(*columns, strict=True)]


def double(z: list[int], a: list[int]) -> list[int]:
    last = len(z) - 1
    out = []
    for k in range(len(z)):
        out.append(sum(a[i] * z[clip(k - 2 + i, 0, last)] for i in range(4)))
        out.append(sum(a[i] * z[clip(k + 2 - i, 0, last)] for i in range(4)))
    return [limit(rounded(value, 12)) for value in out]


def sharpen(z: list[int], g: list[int]) -> list[int]:
    line = [0, 0, 0, *z, 0, 0, 0]
    sums = [
        g[3] * line[k + 3] + sum(g[i] * (line[k + i] + line[k + 6 - i]) for i in range(3))
        for k in range(len(z))
    ]
    return [limit(rounded(total, 12)) for total in sums]


def block(w: Weights, name: str, planes: list[Rows]) -> list[Rows]:
    """Give 12 channels."""
    bottom, right = len(planes[0]) - 1, len(planes[0][0]) - 1
    out: list[Rows] = [[[0] * (right + 1) for _ in range(bottom + 1)] for _ in range(12)]
    for y in range(bottom + 1):
        for x in range(right + 1):
            near = [
                plane[clip(y + i, 0, bottom)][clip(x + j, 0, right)]
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
                for plane in planes
            ]
            u = [rounded(dot(w[name][m], near) + 2**16 * w[f"{name}.bias"][m], 12) for m in range(17)]
            phases = [sum(u[12 + bit] for bit in range(5) if k >> bit & 1) for k in range(32)]
            basis = [cosine(phase) for phase in phases] + [cosine(phase - 2**14) for phase in phases[1:]]
            for m in range(12):
                waves = sum(basis[r] * 41 * w[f"{name}.fourier"][r][m] for r in range(63))
                out[m][y][x] = limit(u[m] + rounded(waves, 21))
    return out
