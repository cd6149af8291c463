"""Variational autoencoder, dense or convolutional (Kingma and Welling, ICLR 2014)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import errors, normal
from models.layers.convolutional import Decoder, Encoder
from models.layers.likelihood import Deviation, Kind, Likelihood


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes.

    Attributes:
        latent: dimensions of z.
        convolutions: widths of the encoder's convolutions, each of which halves the image; the decoder's are
            the reverse.
        dense: widths of the hidden dense layers, likewise.
        likelihood: of a pixel given z: "gaussian" (L2), "laplace" (L1) or "bernoulli".
        deviation: of a pixel: the best for each batch, learned, or fixed.
        fixed: where the deviation is fixed, or starts to be learned.
        beta: weight of KL(q(z | x) || N(0, I)) (Higgins et al., ICLR 2017).
        free_bits: nats of KL in each dimension that cost nothing (Kingma et al., NIPS 2016, C.8).
    """

    latent: int = 16
    convolutions: tuple[int, ...] = ()
    dense: tuple[int, ...] = (512, 256)
    likelihood: Kind = "gaussian"
    deviation: Deviation = "best"
    fixed: float = 0.1
    beta: float = 1.0
    free_bits: float = 0.0


class Model(nnx.Module):
    """Own encoder and decoder."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        sizes = shape[1:], config.convolutions
        self.encoder = Encoder(*sizes, config.dense, 2 * config.latent, rngs=rngs)
        self.decoder = Decoder(config.latent, *sizes, config.dense[::-1], rngs=rngs)
        self.likelihood = Likelihood(config.likelihood, config.deviation, config.fixed)

    def posterior(self, images: Float[Array, "b h w c"]) -> normal.Normal:
        """Give q(z | x)."""
        return normal.halves(self.encoder(images))

    def encode(self, images: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        """Give the mean of q(z | x)."""
        return self.posterior(images).mean

    def decode(self, z: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        """Give the mean of p(x | z), in [0, 1]; for Laplace the median."""
        return jax.nn.sigmoid(self.decoder(z))

    def log_weight(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, " b"]:
        """Evaluate log p(x, z) - log q(z | x) at a draw from q(z | x) (Burda et al., ICLR 2016, 3)."""
        posterior = self.posterior(batch.images)
        z = normal.sample(posterior, key)
        fit = self.likelihood(self.decoder(z), batch.images)
        return fit + normal.log_ratio(normal.standard(z), posterior, z)


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Compute the negative ELBO, E log p(x | z) - beta KL(q(z | x) || p(z)), in nats a pixel's value."""
    posterior = model.posterior(batch.images)
    logits = model.decoder(normal.sample(posterior, key))
    fit = jnp.mean(model.likelihood(logits, batch.images))
    kl = jnp.mean(normal.kl(posterior), axis=0)
    paid = jnp.sum(jnp.maximum(kl, model.config.free_bits))
    value = (model.config.beta * paid - fit) / batch.images[0].size
    mse = errors.mse(jax.nn.sigmoid(logits), batch.images)
    return value, {"psnr_db": errors.psnr(mse), "kl_nats": jnp.sum(kl), "elbo_nats": fit - jnp.sum(kl)}


def sample(model: Model, key: PRNGKeyArray, n: int) -> Float[Array, "n h w c"]:
    """Decode latents drawn from N(0, I)."""
    return model.decode(jax.random.normal(key, (n, model.config.latent)))
