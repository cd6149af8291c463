"""Turn data into noise along a quarter of a circle, and back: the cosine schedule of diffusion models.

At time t in [0, 1] the noise is at the angle phi = pi t / 2 (Nichol and Dhariwal, ICML 2021, 3.2); a network
predicts the velocity along the circle (Salimans and Ho, ICLR 2022, appendix D).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

TIME = 64  # numbers that tell the time


class Time(nnx.Module):
    """Tell a network the time."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.layer = nnx.Linear(TIME, TIME, rngs=rngs)

    def __call__(self, t: Float[Array, " b"]) -> Float[Array, "b n"]:
        angles = t[:, None] * jnp.geomspace(1, 100, TIME // 2)
        return jax.nn.silu(self.layer(jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)))


def times(key: PRNGKeyArray, count: int) -> Float[Array, " b"]:
    """Draw times that are spread evenly over [0, 1) (Kingma et al., NeurIPS 2021, I.1)."""
    return (jax.random.uniform(key) + jnp.arange(count) / count) % 1


def diffuse(
    x: Float[Array, "b ..."], noise: Float[Array, "b ..."], t: Float[Array, " b"]
) -> tuple[Float[Array, "b ..."], Float[Array, "b ..."]]:
    """Give cos(phi) x + sin(phi) noise, and the velocity, its derivative by phi."""
    phi = jnp.pi / 2 * t.reshape(-1, *[1] * (x.ndim - 1))
    cos, sin = jnp.cos(phi), jnp.sin(phi)
    return cos * x + sin * noise, cos * noise - sin * x


def ddim(
    velocity: Callable[[Float[Array, "b ..."], Float[Array, " b"]], Float[Array, "b ..."]],
    noise: Float[Array, "b ..."],
    steps: int,
) -> Float[Array, "b ..."]:
    """Turn noise into data in equal steps, without more noise (Song et al., ICLR 2021, eq. 12 at sigma 0).

    What the velocity says are the data and the noise stays, and the angle goes back to 0.
    """
    angle = jnp.pi / 2 / steps

    def back(x: Array, t: Array) -> tuple[Array, None]:
        return jnp.cos(angle) * x - jnp.sin(angle) * velocity(x, jnp.full(len(x), t)), None

    x, _ = jax.lax.scan(back, noise, jnp.linspace(1, 0, steps, endpoint=False))
    return x
