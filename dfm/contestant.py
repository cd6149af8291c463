"""Give every codec, classic or of .dfm files, one interface for comparisons."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dfm import api, codecs, registry

BUDGETS_BPP = (0.05, 0.15, 0.45)

_FIRST = ("jpeg", "jpeg:4:4:4", "jpeg:flat")

Image = UInt8[np.ndarray, "h w c"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Be the setting of a codec of .dfm files: it makes the best file of at most `max_bytes`.

    Any dataclass whose fields are a target of `api.encode` may stand in its place.
    """

    max_bytes: int


@dataclass(frozen=True, kw_only=True)
class File:
    """Hold the bytes that a setting gave, and the seconds that it took."""

    setting: Any
    data: bytes
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """Hold one codec in one variant; its settings are frozen dataclasses, that of the smallest file first.

    Attributes:
        name: as on the command line: "jpeg", "jpeg:4:4:4", "coordinate:fast".
        label: for readers: "JPEG 4:4:4".
        sweep: image shape [H, W, C] -> settings of a rate-distortion curve.
        ladder: byte budget -> settings among which lies the best for it.
        encode: image [H, W, C], setting -> bytes. Raises ValueError where the codec cannot.
        decode: bytes -> image [H, W, C], whose channels `conform` makes those of the original.
    """

    name: str
    label: str
    sweep: Callable[[Sequence[int]], list[Any]]
    ladder: Callable[[int], list[Any]]
    encode: Callable[[Image, Any], bytes]
    decode: Callable[[bytes], Image]


def default() -> list[str]:
    """List what a comparison has if nobody says otherwise: JPEG in three variants, then every other codec."""
    return [*_FIRST, *(name for name in registry.names(codecs) if name not in _FIRST)]


def named(name: str) -> Contestant:
    """Find a contestant: a codec's file name, alone or with ":" and one of its variants or presets.

    Raises:
        ValueError: there is no such codec, or it has no such variant.
    """
    codec, _, variant = name.partition(":")
    module = registry.get(codecs, codec)
    if hasattr(module, "PRESETS"):
        return _of_dfm(name, codec, _choose(codec, variant or "balanced", module.PRESETS))
    return _classic(name, module, _choose(codec, variant or next(iter(module.VARIANTS)), module.VARIANTS))


def make(contestant: Contestant, image: Image, setting: Any) -> File:
    """Encode at one setting.

    Raises:
        ValueError: the codec cannot.
    """
    start = time.perf_counter()
    data = contestant.encode(image, setting)
    return File(setting=setting, data=data, seconds=time.perf_counter() - start)


def fit(contestant: Contestant, image: Image, max_bytes: int) -> File:
    """Find the last setting of the ladder whose file has at most `max_bytes`, by bisection.

    Where even the first has more, that is what comes back: look at its length.

    Raises:
        ValueError: the codec cannot.
    """
    ladder = contestant.ladder(max_bytes)
    best = make(contestant, image, ladder[0])
    low, high = 0, len(ladder) if len(best.data) <= max_bytes else 1
    while high - low > 1:
        middle = (low + high) // 2
        file = make(contestant, image, ladder[middle])
        if len(file.data) <= max_bytes:
            low, best = middle, file
        else:
            high = middle
    return best


def conform(image: Image, channels: int) -> Image:
    """Give a decoded image the channels of its original.

    A format without gray holds it as RGB, whose mean is taken; some drop an alpha that is opaque everywhere.
    """
    colors = 1 if image.shape[2] < 3 else 3
    color, alpha = image[:, :, :colors], image[:, :, colors:]
    if channels < 3 and colors == 3:
        color = np.rint(color.mean(axis=2, keepdims=True)).astype(np.uint8)
    if channels % 2 == 0 and alpha.shape[2] == 0:
        alpha = np.full_like(color[:, :, :1], 255)
    return np.concatenate([color, alpha], axis=2)


def _widen(image: Image, channels: Sequence[int]) -> Image:
    if image.shape[2] in channels or image.shape[2] + 2 not in channels:
        return image
    return np.concatenate([np.repeat(image[:, :, :1], 3, axis=2), image[:, :, 1:]], axis=2)


def _classic(name: str, module: ModuleType, variant: str) -> Contestant:
    config = module.VARIANTS[variant]
    return Contestant(
        name=name,
        label=f"{module.LABEL} {variant}",
        sweep=lambda shape: list(module.sweep(config)),
        ladder=lambda max_bytes: list(module.ladder(config)),
        encode=lambda image, setting: bytes(module.encode(_widen(image, module.CHANNELS), setting)),
        decode=module.decode,
    )


def _of_dfm(name: str, codec: str, preset: str) -> Contestant:
    def sweep(shape: Sequence[int]) -> list[Budget]:
        return [Budget(max_bytes=int(bpp * shape[0] * shape[1] / 8)) for bpp in BUDGETS_BPP]

    def decode(data: bytes) -> Image:
        image = api.decode(data)
        return image.reshape(*image.shape[:2], -1)

    return Contestant(
        name=name,
        label=f"{codec} {preset}",
        sweep=sweep,
        ladder=lambda max_bytes: [Budget(max_bytes=max_bytes)],
        encode=lambda image, aim: api.encode(image, codec, preset, **dataclasses.asdict(aim)),
        decode=decode,
    )


def _choose(codec: str, variant: str, variants: dict[str, Any]) -> str:
    if variant not in variants:
        raise ValueError(f"{codec} has no {variant!r}; choose one of {', '.join(variants)}")
    return variant
