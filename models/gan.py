"""Adversarial generator of convolutions (Goodfellow et al., NIPS 2014; Radford et al., ICLR 2016)."""

from dataclasses import dataclass

import jax
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import adversarial
from models.layers.convolutional import Decoder
from models.layers.discriminator import Discriminator


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes, and the game.

    Attributes:
        latent: dimensions of z.
        generator: widths of the generator's convolutions, the finest first, each of which doubles the image.
        discriminator: widths of the discriminator's, each of which halves it.
        objective: of both players.
        penalty: on the norm of the discriminator's gradient: none, pulled to 0 at real images ("r1"), or to 1
            between real and generated ones ("wgan_gp").
        weight: of the penalty.
    """

    latent: int = 64
    generator: tuple[int, ...] = (32, 64)
    discriminator: tuple[int, ...] = (32, 64)
    objective: adversarial.Objective = "wasserstein"
    penalty: adversarial.Penalty = "wgan_gp"
    weight: float = 10.0


class Model(nnx.Module):
    """Own both players."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.generator = Decoder(config.latent, shape[1:], config.generator, (), rngs=rngs)
        self.discriminator = Discriminator(shape[-1], config.discriminator, rngs=rngs)

    def generate(self, z: Float[Array, "b d"]) -> Float[Array, "b h w c"]:
        """Give the images of latents, in [0, 1]."""
        return jax.nn.sigmoid(self.generator(z))


def loss(model: Model, batch: Batch, key: PRNGKeyArray) -> tuple[Array, dict[str, Array]]:
    """Add what generator and discriminator minimize, each a function of one of them alone."""
    config = model.config
    of_latents, of_places = jax.random.split(key)
    fake = sample(model, of_latents, len(batch.images))
    rules = config.objective, config.penalty, config.weight
    return adversarial.game(model.discriminator, batch.images, fake, of_places, *rules)


def sample(model: Model, key: PRNGKeyArray, n: int) -> Float[Array, "n h w c"]:
    """Generate images of latents drawn from N(0, I)."""
    return model.generate(jax.random.normal(key, (n, model.config.latent)))
