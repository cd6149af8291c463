"""Images as the weights of small Fourier networks."""

from dfm.api import decode, encode, info
from dfm.container import FormatError

__all__ = ["FormatError", "__version__", "decode", "encode", "info"]
__version__ = "0.1.0"
