"""A run's directory: held by one process, timed by stage, ended by summary.json or failure.json.

A run uses only a directory that is new, empty, or claimed by a run before, and removes only files
that have the names of its own.

with Run(directory) as run:
    if run.finished(config):
        return
    with run.stage("training"):
        ...
    run.finish(summary)
"""

import json
import logging
import os
import platform
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from polyak import files
from polyak.errors import DivergedError, PolyakError

log = logging.getLogger(__name__)

WRITTEN_BY_HYDRA = (".hydra", "train.log")
"""What Hydra puts into a directory before the run begins."""

_RESULTS = (
    *(r"metrics\.csv", r"averaged\.safetensors", r"failure\.json"),
    *(r"checkpoints/epoch_\d{3,}\.safetensors", r"figures/(accuracy|samples)\.png"),
    r"predictions/(validation|test)/(epoch_\d{3,}|average|labels)\.safetensors",
)
"""What a run writes and, where it was not finished, writes again."""


def check_usable(directory: Path, by_hydra: Collection[str] = WRITTEN_BY_HYDRA) -> None:
    """Raise PolyakError where `directory` holds anything and no run has claimed it, so that no
    stranger's file is overwritten. `by_hydra` are the names that Hydra has put there for this run.
    """
    if not directory.is_dir() or (directory / "claim.json").is_file():
        return
    foreign = {path.name for path in directory.iterdir()} - {*by_hydra, ".lock"}
    foreign = {name for name in foreign if not name.startswith(".claim.")}
    written = directory / ".hydra" / "hydra.yaml"
    if not foreign and written.is_file() and "polyak." not in written.read_text(errors="replace"):
        foreign = {".hydra"}
    if foreign:
        shown = ", ".join(sorted(foreign)[:3]) + (", ..." if len(foreign) > 3 else "")
        raise PolyakError(
            f"{directory}: holds {shown}, and no run has claimed it; allowed: a new or empty "
            "directory, or one that a run has made"
        )


class Run:
    """One job's directory. On leaving, an exception becomes failure.json and goes on.

    `by_hydra` are the names that Hydra has written there before. Entering raises PolyakError where
    the directory isn't a run's to use, or another run is working in it.
    """

    def __init__(self, directory: Path, by_hydra: Collection[str] = WRITTEN_BY_HYDRA) -> None:
        self.directory = directory
        self._by_hydra = by_hydra
        self.seconds: dict[str, float] = {}
        self.epoch: int | None = None  # the one being trained, for failure.json
        self._stage = "start"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._claim()
        return self

    def finished(self, config: Mapping[str, Any]) -> bool:
        """Whether this run was finished before with the same configuration, wherever its outputs
        are and however many threads it had. What an unfinished one left is removed.

        Raises PolyakError where a run of another configuration was finished here.
        """
        summary = self.directory / "summary.json"
        if not summary.exists():
            files.remove(self.directory, _RESULTS)
            files.remove_half_written(self.directory, [r"(summary|claim)\.json"])
            return False
        before = _flat(json.loads(summary.read_text(encoding="utf-8"))["config"])
        now = _flat(json.loads(json.dumps(config)))
        differing = [key for key in before | now if before.get(key) != now.get(key)]
        differing = [key for key in differing if not key.startswith(_ELSEWHERE)]
        if differing:
            raise PolyakError(
                f"{self.directory}: a run with another {', '.join(sorted(differing))} was finished "
                "here; give another name. (Hydra has overwritten its .hydra/; the config in its "
                "summary.json is what ran)"
            )
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        if error is None:
            return
        reason = str(error) or type(error).__name__
        if isinstance(error, KeyboardInterrupt | SystemExit):
            done = "" if self.epoch is None else f", in epoch {self.epoch}, which is dropped"
            reason = f"interrupted in stage {self._stage}{done}: the same command continues"
        # A PolyakError's message says it all; anything unforeseen needs its traceback.
        foreseen = isinstance(error, PolyakError | OSError | KeyboardInterrupt | SystemExit)
        log.error("%s", reason, exc_info=None if foreseen else error)
        failure = {
            "stage": self._stage,
            "epoch": error.epoch if isinstance(error, DivergedError) else self.epoch,
            "kind": type(error).__name__,
            "reason": reason,
        }
        if (self.directory / "summary.json").exists():
            return  # what was finished here stays so
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

    def log_finished(self) -> None:
        """Log that there is nothing to do."""
        log.info("%s: finished before, with the same configuration", self.directory)

    def finish(self, summary: Mapping[str, Any], message: str) -> None:
        """Write summary.json, which marks the run complete, and then log `message`."""
        files.write_json(self.directory / "summary.json", summary)
        log.info("%s\n\n%s\n", self.directory, message)

    def _claim(self) -> None:
        """Hold the directory as long as this process lives, and say in claim.json which it is."""
        try:
            check_usable(self.directory, self._by_hydra)
        except PolyakError as error:
            log.error("%s", error)
            raise
        self.directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.directory / ".lock")
        try:
            self._stack.enter_context(lock.acquire(timeout=0))
        except Timeout:
            message = f"{self.directory}: another run is working in this directory; name another"
            log.error("%s", message)
            raise PolyakError(message) from None
        claim = {"process": os.getpid(), "host": platform.node(), "began": time.time()}
        files.write_json(self.directory / "claim.json", claim)


_ELSEWHERE = ("paths.", "name", "training.threads", "training.device", "dataset.datasets")
"""Where a run had its files and what it ran on: not what it computed."""


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {}
        flat |= inner if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
