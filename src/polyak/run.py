"""A run's directory: claimed once, timed by stage, ended by summary.json or failure.json.

with Run(directory) as run:
    with run.stage("training"):
        ...
    run.finish(summary)
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from polyak import files
from polyak.errors import DivergedError, PolyakError

log = logging.getLogger(__name__)


class Run:
    """One job's directory. On leaving, an exception becomes failure.json and goes on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seconds: dict[str, float] = {}
        self.epoch: int | None = None  # the one being trained, for failure.json
        self._stage = "start"

    def __enter__(self) -> Self:
        self._claim()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            return
        reason = str(error) or type(error).__name__
        if isinstance(error, KeyboardInterrupt | SystemExit):
            reason = f"interrupted in stage {self._stage}: the same command starts again"
        # A PolyakError's message says it all; anything unforeseen needs its traceback.
        foreseen = isinstance(error, PolyakError | KeyboardInterrupt | SystemExit)
        log.error("%s", reason, exc_info=None if foreseen else error)
        failure = {
            "stage": self._stage,
            "epoch": error.epoch if isinstance(error, DivergedError) else self.epoch,
            "kind": type(error).__name__,
            "reason": reason,
        }
        try:
            files.write_json(self.directory / "failure.json", failure)
        except OSError as unwritten:
            log.error("failure.json could not be written: %s", unwritten)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is inside, and name it in failure.json where it fails."""
        self._stage = name
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def finish(self, summary: Mapping[str, Any], message: str) -> None:
        """Write summary.json, which marks the run complete, and then log `message`."""
        files.write_json(self.directory / "summary.json", summary)
        log.info("%s\n\n%s\n", self.directory, message)

    def _claim(self) -> None:
        """Take the directory for this process by a file that only one can create."""
        self.directory.mkdir(parents=True, exist_ok=True)
        claim = self.directory / "claim.json"
        try:
            with claim.open("x") as file:
                json.dump({"process": os.getpid(), "began": time.time()}, file)
        except FileExistsError:
            message = (
                f"{self.directory}: another run has this directory ({claim.name}); "
                "leave hydra.run.dir alone, or name one that is new. (Hydra has overwritten its "
                ".hydra/; the config in its summary.json is what ran)"
            )
            log.error("%s", message)
            raise PolyakError(message) from None
