"""A complete run's summary.json, read: the one place that takes values out of it.

    summary = Summary.read(Path("outputs/runs/NAME"))
    summary.checkpoint(3), summary.window

It needs neither torch nor the images: a run whose data have been moved away is as good.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from polyak import files
from polyak.errors import PolyakError


@dataclass(frozen=True)
class Summary:
    """What a run says of itself.

    `config` are the plain values of its configuration, `epochs` how many it trained, `window` those
    that it averaged, `evaluation_keys` name by split what its checkpoints were evaluated on, and
    `threads` is the number of CPU threads that it had.
    """

    directory: Path
    config: dict[str, Any]
    epochs: int
    window: range
    evaluation_keys: Mapping[str, str]
    threads: int

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The summary of the run in `directory`. Raises PolyakError where there is none, or where
        it can't be read."""
        path = directory / "summary.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                directory=directory,
                config=dict(values["config"]),
                epochs=int(values["config"]["training"]["epochs"]),
                window=range(values["window"]["start"], values["window"]["end"]),
                evaluation_keys=dict(values["evaluation_keys"]),
                threads=int(values["environment"]["threads"]),
            )
        except (FileNotFoundError, NotADirectoryError):
            raise PolyakError(f"{directory}: not a finished run, it has no summary.json") from None
        except (ValueError, KeyError, TypeError) as error:
            raise PolyakError(f"{path}: can't be read ({error})") from error

    @property
    def average(self) -> Path:
        """The file of the averaged weights."""
        return self.directory / "averaged.safetensors"

    def checkpoint(self, epoch: int) -> Path:
        """The file of the weights after zero-based `epoch`."""
        return files.epoch_file(self.directory / "checkpoints", epoch)
