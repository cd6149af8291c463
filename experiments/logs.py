"""Keep the metrics of a training: as JSON lines, for TensorBoard, and as a line of progress."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tensorboardX import SummaryWriter

from dfm import image
from experiments import rows


class Log:
    """Write metrics into a folder; those of steps after `step`, which a killed training left, go."""

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / "metrics.jsonl"
        kept = [row for row in rows.read(self._path) if row["step"] <= step]
        folder.mkdir(parents=True, exist_ok=True)
        image.write_bytes(self._path, "".join(json.dumps(row) + "\n" for row in kept).encode())
        self._board = SummaryWriter(os.fspath(folder / "tensorboard"), purge_step=step + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._board.close()

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add a row."""
        rows.append(self._path, {"step": step, **metrics})
        for name, value in metrics.items():
            self._board.add_scalar(name, value, step)
