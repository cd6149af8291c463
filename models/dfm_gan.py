"""Deep Fourier generator against a discriminator (Goodfellow et al., NIPS 2014), in place of an encoder.

What `dfm_spatial` makes of the latents of a grid is made here of one latent z for all cells.
"""

from dataclasses import dataclass

import jax
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from dfm.batch import Batch
from models.layers import adversarial
from models.layers.discriminator import Discriminator
from models.layers.grids import Decoder
from models.layers.mlp import MLP


@dataclass(frozen=True, kw_only=True)
class Config:
    """Choose sizes, and the game.

    Attributes:
        latent: dimensions of z.
        side: of a cell, pixels.
        inputs: numbers that a cell is made of, which a dense layer gives all cells.
        mixed: channels of the convolutions that look at neighboring cells.
        blocks: number of these, residual ones.
        hidden: widths of the MLP from there to coefficients.
        width: of the Fourier networks.
        depth: hidden activations of the Fourier networks.
        gain: how fast their coefficients follow the MLP.
        discriminator: widths of the discriminator's convolutions, each of which halves the image.
        objective: of both players.
        penalty: on the norm of the discriminator's gradient, as in `gan`.
        weight: of the penalty.
    """

    latent: int = 64
    side: int = 4
    inputs: int = 32
    mixed: int = 64
    blocks: int = 2
    hidden: tuple[int, ...] = (128,)
    width: int = 3
    depth: int = 2
    gain: float = 1.0
    discriminator: tuple[int, ...] = (32, 64)
    objective: adversarial.Objective = "non_saturating"
    penalty: adversarial.Penalty = "r1"
    weight: float = 1.0


class Model(nnx.Module):
    """Own both players."""

    def __init__(self, config: Config, shape: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        self.config, self.size = config, shape[1:3]
        self.cells = -(-self.size[0] // config.side), -(-self.size[1] // config.side)
        self.first = MLP((config.latent, self.cells[0] * self.cells[1] * config.inputs), rngs=rngs)
        self.decoder = Decoder(
            config.inputs,
            config.mixed,
            config.blocks,
            config.hidden,
            config.width,
            config.depth,
            shape[3],
            config.gain,
            rngs=rngs,
        )
        self.discriminator = Discriminator(shape[3], config.discriminator, rngs=rngs)

    def generate(self, z: Float[Array, "b d"], scale: int = 1) -> Float[Array, "b h w c"]:
        """Evaluate the networks of latents at every pixel, or `scale` times as many each way: in (0, 1)."""
        cells = self.first(z).reshape(-1, *self.cells, self.config.inputs)
        height, width = (scale * n for n in self.size)
        return self.decoder(cells, scale * self.config.side)[:, :height, :width]


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
