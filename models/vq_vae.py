"""Vector-quantized autoencoder: the latent is a grid of codes (van den Oord et al., NIPS 2017).

With `levels` above 1 each cell has several, every one for what those before leave (Lee et al., CVPR 2022).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from dfm.batch import Batch
from models.layers import errors, likelihood, quantizer
from models.layers.convolution import ConvTranspose
from models.layers.grids import Encoder, Mixer
from models.layers.quantizer import Quantizer


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        size: of the codebook, which all levels share.
        latent: dimensions of a code's vector.
        levels: codes of a cell; they lie side by side, so that a row has `levels` times as many as cells.
        convolutions: widths of the encoder's convolutions, each of which halves the image; the decoder's are
            the reverse.
        blocks: residual blocks between the codes and the decoder's convolutions.
        learning: of the codebook, by moving average or by gradient.
        beta: weight of the commitment of the encoder to its codes.
    """

    size: int = 128
    latent: int = 16
    levels: int = 1
    convolutions: tuple[int, ...] = (32, 64)
    blocks: int = 1
    learning: quantizer.Learning = "average"
    beta: float = 0.25


class Model(nnx.Module):
    """Own encoder, codebook and decoder."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.image, widths = shape[1:3], config.convolutions
        self.config = config
        self.encoder = Encoder(shape[3], widths, config.latent, rngs=rngs)
        self.quantizer = Quantizer(config.size, config.latent, config.levels, config.learning, rngs=rngs)
        self.mixer = Mixer(config.latent, widths[-1], config.blocks, rngs=rngs)
        pairs = zip(widths[::-1], (*widths[-2::-1], shape[3]), strict=True)
        self.up = nnx.List([ConvTranspose(n, m, (4, 4), (2, 2), rngs=rngs) for n, m in pairs])

    def encode(self, images: Float[Array, "b h w c"]) -> Int[Array, "b gh gwl"]:
        """Give the codes."""
        codes = self.quantizer(self.encoder(images)).codes
        return codes.reshape(*codes.shape[:2], -1)

    def decode(self, codes: Int[Array, "b gh gwl"]) -> Float[Array, "b h w c"]:
        """Give the images of codes, in [0, 1]."""
        z = self.quantizer.vectors(codes.reshape(*codes.shape[:2], -1, self.config.levels))
        return jnp.clip(self.mean(z), 0, 1)

    def mean(self, z: Float[Array, "b gh gw d"]) -> Float[Array, "b h w c"]:
        """Give the mean of p(x | z); a sigmoid would soon be stuck at black."""
        x = self.mixer(z)
        for up in self.up:
            x = up(jax.nn.silu(x))
        height, width = self.image
        return x[:, :height, :width]


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute equation 3, with a normal likelihood of the best deviation, in nats a pixel's value."""
    z = model.encoder(batch.images)
    quantized = model.quantizer(z)
    mean = model.mean(quantizer.straight_through(z, quantized.chosen.sum(-2)))
    fit = likelihood.at_best("gaussian", mean, batch.images) / batch.images[0].size
    commitment = quantizer.commitment(quantized)
    value = model.quantizer.learn(quantized, key) + model.config.beta * commitment - fit
    return value, {
        "psnr_db": errors.psnr(errors.mse(jnp.clip(mean, 0, 1), batch.images)),
        "perplexity": quantizer.perplexity(quantized.codes, model.config.size),
        "commitment": commitment,
    }
