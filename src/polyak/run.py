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
        if error is not None:
            failure = {
                "stage": self._stage,
                "epoch": error.epoch if isinstance(error, DivergedError) else None,
                "kind": type(error).__name__,
                "reason": str(error) or type(error).__name__,
            }
            files.write_json(self.directory / "failure.json", failure)
            # A PolyakError's message says it all; anything else is a bug and needs its traceback.
            expected = isinstance(error, PolyakError | KeyboardInterrupt)
            log.error("%s", failure["reason"], exc_info=None if expected else error)

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
                "leave hydra.run.dir alone, or name one that is new"
            )
            log.error("%s", message)
            raise PolyakError(message) from None
