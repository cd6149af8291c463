"""Check what priors are fitted on."""

import numpy as np
from jaxtyping import Float, Float64


def checked(latents: Float[np.ndarray, "n d"], rows: int = 1) -> Float64[np.ndarray, "n d"]:
    """Give latents in double precision.

    Raises:
        ValueError: they are no matrix, not finite, or fewer than `rows`.
    """
    if latents.ndim != 2 or not latents.shape[1]:
        raise ValueError(f"latents are of shape {latents.shape}; reshape them to [n, d]")
    if len(latents) < rows:
        raise ValueError(
            f"there are {len(latents)} latents where {rows} are needed; give more, or another prior"
        )
    wrong = ~np.isfinite(latents).all(1)
    if wrong.any():
        raise ValueError(
            f"latents {int(wrong.argmax())} are not finite; train the model with a lower learning_rate"
        )
    return latents.astype(np.float64)
