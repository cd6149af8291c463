"""Encode a file, or the images of a folder side by side."""

import argparse
import concurrent.futures
import contextlib
import io
import json
import os
import platform
import queue
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dfm
from dfm import api, console, image, metrics

_KEYS = ["codec", "preset", "width", "height", "channels", "bytes", "bpp", "psnr_db", "seconds", "split"]
_CACHE = 10**9  # bytes at most of compiled code


def keep_compilations() -> None:
    """Let XLA keep what it compiles for the next command; each kind of processor has its folder.

    JAX needs `filelock` for a folder of limited size, and without it keeps nothing.
    """
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(home / "dfm" / "compiled" / _processor()))
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_CACHE))


def file(
    source: str | io.BytesIO, output: str, args: argparse.Namespace, progress: api.Progress | None
) -> dict[str, Any]:
    """Encode one image, write it, decode it again, and give what `report` tells; '-' is standard output."""
    original = image.read(source)
    start = time.perf_counter()
    data = dfm.encode(
        original,
        args.codec,
        args.preset,
        lambda_=args.lambda_,
        max_bpp=args.max_bpp,
        max_bytes=args.max_bytes,
        min_psnr=args.min_psnr,
        seed=args.seed,
        progress=progress,
    )
    seconds = time.perf_counter() - start
    psnr = metrics.psnr(original, dfm.decode(data))
    console.write(output, data)
    measured = {"psnr_db": psnr if psnr < float("inf") else None, "seconds": seconds}
    return dfm.info(data) | {"output": output, "preset": args.preset} | measured


def report(facts: dict[str, Any], *, as_json: bool, of_many: bool = False) -> None:
    """Tell the result of encoding, beside the file's own bytes if these went to standard output."""
    if as_json:
        keys = ["output", *_KEYS] if of_many else _KEYS
        print(json.dumps({name: facts[name] for name in keys}), flush=True)
        return
    psnr = "no loss" if facts["psnr_db"] is None else f"{facts['psnr_db']:.2f} dB"
    shape = console.shape(facts["height"], facts["width"], facts["channels"])
    size = f"{facts['bytes']:,} bytes, {facts['bpp']:.4f} bits per pixel"
    out = sys.stderr if facts["output"] == "-" else sys.stdout
    print(f"{facts['output']}: {shape}, {size}, {psnr}, {facts['seconds']:.1f} s", file=out, flush=True)


def folder(args: argparse.Namespace, progress: api.Progress | None) -> None:
    """Encode the images of a folder that have no .dfm file yet, one a device or core at a time.

    Raises:
        ValueError: the folder has no images, two of them share a name, or some could not be encoded.
    """
    if args.output == "-":
        raise ValueError("many files do not go to standard output; name a folder with -o")
    outputs = _outputs(Path(args.input), Path(args.output or args.input))
    missing = {source: output for source, output in outputs.items() if not output.exists()}
    fractions = dict.fromkeys(outputs, 1.0) | dict.fromkeys(missing, 0.0)
    failed = 0

    def encoded(source: Path) -> dict[str, Any]:
        def told(fraction: float, text: str) -> None:
            fractions[source] = fraction
            if progress:
                done = sum(part == 1.0 for part in fractions.values())
                progress(
                    sum(fractions.values()) / len(fractions),
                    f"{done} of {len(fractions)}; {source.name}: {text}",
                )

        with _device(devices):
            facts = file(str(source), str(missing[source]), args, told)
        told(1.0, "done")
        return facts

    devices = _devices(len(missing))
    workers = concurrent.futures.ThreadPoolExecutor(max_workers=max(devices.qsize(), 1))
    try:
        tasks = {workers.submit(encoded, source): source for source in missing}
        for task in concurrent.futures.as_completed(tasks):
            source = tasks[task]
            try:
                facts = task.result()
            except (ValueError, OSError, MemoryError) as error:
                failed += 1
                print(f"dfm: {console.failure(error, str(source))}", file=sys.stderr, flush=True)
            else:
                report(facts, as_json=args.json, of_many=True)
    finally:
        workers.shutdown(wait=False, cancel_futures=True)
    if failed:
        raise ValueError(f"{failed} of {len(outputs)} images could not be encoded; see above")
    if not args.json:
        print(f"{len(missing)} of {len(outputs)} images encoded; the others had files already")


def _outputs(source: Path, target: Path) -> dict[Path, Path]:
    """Name the file of each image, in the order of names."""
    images = sorted(path for path in source.iterdir() if image.readable(path) and path.is_file())
    if not images:
        raise ValueError(f"{source} holds no image that Pillow reads; name another folder")
    target.mkdir(parents=True, exist_ok=True)
    outputs = {path: target / f"{path.stem}.dfm" for path in images}
    names: dict[Path, Path] = {}
    for path, output in outputs.items():
        if output in names:
            raise ValueError(f"{names[output]} and {path.name} would both become {output.name}; rename one")
        names[output] = path
    return outputs


def _devices(images: int) -> queue.SimpleQueue[Any]:
    """Give each accelerator once, or the processor once a core, but no more than there are images."""
    import jax

    found = jax.local_devices()
    if found[0].platform == "cpu":
        found = found[:1] * (os.cpu_count() or 1)
    free: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for device in found[:images]:
        free.put(device)
    return free


@contextlib.contextmanager
def _device(free: queue.SimpleQueue[Any]) -> Iterator[None]:
    """Compute on a device that no other thread uses."""
    import jax

    device = free.get()
    try:
        with jax.default_device(device):
            yield
    finally:
        free.put(device)


def _processor() -> str:
    """Name the kind of processor, by its features where Linux tells them."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    features = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return f"{platform.machine()}-{zlib.crc32(f'{platform.processor()} {features}'.encode()):08x}"
