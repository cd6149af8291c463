"""Say where data and weights that are no part of the package lie."""

import os
from pathlib import Path


def root() -> Path:
    """Give the folder of all of them: $DFM_DATA, else ~/.cache/dfm."""
    return Path(os.environ.get("DFM_DATA") or "~/.cache/dfm").expanduser()
