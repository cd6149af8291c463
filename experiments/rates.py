"""Measure what the latents of test images cost, and what they keep: python -m experiments.rates DIR

Of a variational autoencoder, the rate is the KL divergence of its posterior from its prior, and the error is
that of images decoded from draws (Alemi et al., Fixing a Broken ELBO, ICML 2018, 2); of a vector-quantized
one, the bits of the indices, all codes being as likely; of a prior over codes, their cross-entropy. A row
goes to DIR/rates.jsonl and to a file of your choice.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments import batches, command, latents, markdown, pictures, rows, run
from models.layers import quantizer


@command.one_line_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure rate and error."""
    parser = command.of_training(__doc__, "rates")
    parser.add_argument("--seed", type=int, default=0, help="of draws")
    given = parser.parse_args(arguments)
    row = measure(run.open(given.run), given.seed)
    for file in command.files(given, "rates"):
        rows.append(file, row | rows.facts())
    print(table([row]))


def table(measured: Sequence[rows.Row]) -> str:
    """Lay out the rate of an image, how many numbers it is of, and the PSNR of what they decode to."""
    lines = [
        [
            row["run"],
            f"{row['steps']:,}",
            markdown.number(row.get("numbers"), ",d"),
            markdown.number(row.get("perplexity")),
            f"{row['bits']:,.0f}",
            markdown.number(row.get("psnr_db"), ".2f"),
        ]
        for row in measured
    ]
    return markdown.table(["training", "steps", "latents", "perplexity", "bits", "PSNR dB"], lines)


def measure(training: run.Run, seed: int) -> rows.Row:
    """Average rate and PSNR over the test images.

    Raises:
        ValueError: the model has no rate.
    """
    model, name, test = training.model(), training.config.model, training.data.test
    row: rows.Row = {"run": training.folder.name, "model": name, "data": training.data_name}
    row |= {"settings": training.config.settings, "steps": int(training.state.step), "seed": seed}
    if hasattr(model, "quantizer"):
        return row | _of_codes(model, test.images)
    told = batches.metrics(model, run.Loss(training.module.loss), run.arrays(test), seed)
    if "bits_per_code" in told:
        places = test.images[0].size
        return row | {"numbers": places, "bits": round(places * told["bits_per_code"], 2)}
    if "kl_nats" not in told:
        raise ValueError(
            f"{name} has no rate; choose a variational or vector-quantized autoencoder, or a prior over codes"
        )
    row |= {"bits": round(told["kl_nats"] / math.log(2), 2), "psnr_db": round(told["psnr_db"], 4)}
    if hasattr(model, "encode"):
        row["numbers"] = latents.encode(model, test.images[:1]).size
    return row


def _of_codes(model: Any, images: np.ndarray) -> rows.Row:
    codes = latents.encode(model, images)
    made = pictures.as_bytes(latents.decode(model, codes))
    return {
        "numbers": codes[0].size,
        "perplexity": round(float(quantizer.perplexity(jnp.asarray(codes), model.config.size)), 2),
        "bits": codes[0].size * math.log2(model.config.size),
        "psnr_db": pictures.mean_psnr(images, made),
    }


if __name__ == "__main__":
    main()
