"""Set a generator against a discriminator, both trained at once by the gradient of one sum.

Each term has a gradient in one player alone: what belongs to the other is stopped.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from models.layers.discriminator import Discriminator

Objective = Literal["non_saturating", "hinge", "wasserstein"]
Penalty = Literal["none", "r1", "wgan_gp"]
T = TypeVar("T", bound=nnx.Module)

_OF_GENERATOR: dict[Objective, Callable[[Array], Array]] = {
    "non_saturating": lambda fake: jax.nn.softplus(-fake),  # Goodfellow et al., NIPS 2014, 3
    "hinge": lambda fake: -fake,  # Lim and Ye, 2017
    "wasserstein": lambda fake: -fake,  # Arjovsky et al., ICML 2017
}
_OF_DISCRIMINATOR: dict[Objective, Callable[[Array, Array], Array]] = {
    "non_saturating": lambda real, fake: jax.nn.softplus(-real) + jax.nn.softplus(fake),
    "hinge": lambda real, fake: jax.nn.relu(1 - real) + jax.nn.relu(1 + fake),
    "wasserstein": lambda real, fake: fake - real,
}


class Terms(NamedTuple):
    """Hold the losses of both players, and what the penalty adds to the discriminator's."""

    generator: Float[Array, ""]
    discriminator: Float[Array, ""]
    penalty: Float[Array, ""]


def terms(
    discriminator: Discriminator,
    real: Float[Array, "b h w c"],
    fake: Float[Array, "b h w c"],
    key: PRNGKeyArray,
    objective: Objective,
    penalty: Penalty,
) -> Terms:
    """Compute what each player minimizes, means over images and patches, and the penalty, unweighted."""
    given = jax.lax.stop_gradient(fake)
    return Terms(
        jnp.mean(_OF_GENERATOR[objective](frozen(discriminator)(fake))),
        jnp.mean(_OF_DISCRIMINATOR[objective](discriminator(real), discriminator(given))),
        _PENALTIES[penalty](discriminator, real, given, key),
    )


def game(
    discriminator: Discriminator,
    real: Float[Array, "b h w c"],
    fake: Float[Array, "b h w c"],
    key: PRNGKeyArray,
    objective: Objective,
    penalty: Penalty,
    weight: float,
) -> tuple[Array, dict[str, Array]]:
    """Add what both players minimize, each in one of them alone, and `weight` times the penalty."""
    found = terms(discriminator, real, fake, key, objective, penalty)
    return found.generator + found.discriminator + weight * found.penalty, found._asdict()


def frozen(module: T) -> T:
    """Give a copy through which gradients pass but do not stay."""
    graph, state = nnx.split(module)
    copy: T = nnx.merge(graph, jax.lax.stop_gradient(state))
    return copy


def slope(discriminator: Discriminator, images: Float[Array, "b h w c"]) -> Float[Array, " b"]:
    """Give the norm of the gradient of the mean logit in each image."""
    gradient = jax.grad(lambda x: jnp.sum(jnp.mean(discriminator(x), axis=(1, 2))))(images)
    return jnp.sqrt(jnp.sum(gradient**2, axis=(1, 2, 3)) + 1e-12)  # its root has a slope at 0


def between(
    a: Float[Array, "b h w c"], b: Float[Array, "b h w c"], key: PRNGKeyArray
) -> Float[Array, "b h w c"]:
    """Draw a point on the line from each image to its partner."""
    share = jax.random.uniform(key, (len(a), 1, 1, 1))
    return a + share * (b - a)


_PENALTIES: dict[Penalty, Callable[[Discriminator, Array, Array, PRNGKeyArray], Array]] = {
    "none": lambda discriminator, real, fake, key: jnp.zeros(()),
    # Mescheder et al., ICML 2018, 4.1
    "r1": lambda discriminator, real, fake, key: jnp.mean(slope(discriminator, real) ** 2),
    # Gulrajani et al., NIPS 2017, 4
    "wgan_gp": lambda discriminator, real, fake, key: jnp.mean(
        (slope(discriminator, between(real, fake, key)) - 1) ** 2
    ),
}
