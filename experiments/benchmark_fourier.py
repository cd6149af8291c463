"""Time the Fourier layer: python -m experiments.benchmark_fourier [--widths M ...] [--points N]

Forward, and value and gradient in coefficients and inputs, for m = n, against the direct formula (a matrix
product, then the framework's cosine and sine) and a ReLU layer m -> h -> m of as many weights. The three take
turns, and ratios are of their medians. A row each goes to experiments/results/fourier_speed.jsonl.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from dfm import fourier
from experiments import rows

RESULTS = rows.RESULTS / "fourier_speed.jsonl"

Layer = Callable[..., Array]
Calls = dict[str, tuple[Callable[..., object], object, Array]]


def main() -> None:
    """Measure every width."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--widths", type=int, nargs="+", default=range(2, 11), metavar="M")
    parser.add_argument("--points", type=int, default=65536, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="R", help="of which medians are taken")
    args = parser.parse_args()
    for m in args.widths:
        row = {"m": m, "points": args.points, "rounds": args.rounds}
        rows.append(RESULTS, row | measure(m, args.points, args.rounds) | rows.facts())


def measure(m: int, points: int, rounds: int) -> dict[str, float]:
    """Give the milliseconds of each layer, and how many times as long as ours the others take."""
    keys = jax.random.split(jax.random.key(m), 4)
    x = jax.random.uniform(keys[0], (points, m))
    w = fourier.scale(m) * fourier.init(keys[1], m, m)
    hidden = -(-w.size // (2 * m))
    relu = (jax.random.normal(keys[2], (m, hidden)), jax.random.normal(keys[3], (hidden, m)))
    layers: dict[str, tuple[Layer, object]] = {
        "fourier": (fourier.layer, w),
        "direct": (_direct, w),
        "relu": (lambda w, x: jax.nn.relu(x @ w[0]) @ w[1], relu),
    }
    forward: Calls = {name: (jax.jit(layer), weights, x) for name, (layer, weights) in layers.items()}
    both: Calls = {name: (_differentiated(layer), weights, x) for name, (layer, weights) in layers.items()}
    figures: dict[str, float] = {}
    for kind, calls in (("forward", forward), ("gradient", both)):
        spent = _in_turns(calls, rounds)
        figures |= {f"{kind}_{name}_ms": round(1e3 * seconds, 3) for name, seconds in spent.items()}
        for name in ("direct", "relu"):
            figures[f"{kind}_{name}_over_fourier"] = round(spent[name] / spent["fourier"], 2)
    print(f"m = {m}: {figures}", flush=True)
    return figures


def _direct(w: Array, x: Array) -> Array:
    phase = 2 * jnp.pi * x @ jnp.asarray(fourier.frequencies(x.shape[1]).T, x.dtype)
    return jnp.concatenate([jnp.cos(phase), jnp.sin(phase[:, 1:])], axis=1) @ w + x


def _differentiated(layer: Layer) -> Callable[..., object]:
    return jax.jit(jax.value_and_grad(lambda w, x: jnp.sum(layer(w, x) ** 2), argnums=(0, 1)))


def _in_turns(calls: Calls, rounds: int) -> dict[str, float]:
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):  # the first compiles
        for name, (call, weights, x) in calls.items():
            start = time.perf_counter()
            jax.block_until_ready(call(weights, x))
            if turn:
                spent[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


if __name__ == "__main__":
    main()
