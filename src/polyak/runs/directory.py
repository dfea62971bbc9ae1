"""A run's directory: held by one process, timed by stage, ended by summary.json or failure.json.

    with claimed(directory) as run:
        if run.finished(config):
            return
        with run.stage("training"):
            ...
        run.finish(summary, message)

A run uses only a directory that is new, empty, or claimed by a run before, and removes only files
that have the names of its own.
"""

import logging
import os
import platform
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from polyak import files
from polyak.errors import DivergedError, PolyakError
from polyak.records import hydra, summary
from polyak.records.claim import Claim
from polyak.records.summary import Summary
from polyak.store import paths

log = logging.getLogger(__name__)

WRITTEN_BY_HYDRA = (".hydra", "train.log")
"""What Hydra puts into a directory before the run begins."""

SAID_LATER = "said_later"
"""Set on the log's record of an error that says it all, and which ends the process of a single run:
its terminal would have it twice."""

ELSEWHERE = (
    *("paths.", "name", "training.threads", "training.device", "dataset.datasets"),
    "recording.state_every",
)
"""Keys of where a run had its files, what it ran on and what a kill would cost it: not what it
computed."""


def check_usable(directory: Path, by_hydra: Collection[str] | None = None) -> None:
    """Raise PolyakError where `directory` holds anything and no run has claimed it, so that no
    stranger's file is overwritten. `by_hydra` are the names that Hydra has put there for this run;
    None: it is still to write, and what is there of it must be from a run that was killed.
    """
    if directory.exists() and not directory.is_dir():
        raise PolyakError(f"{directory}: is a file; allowed: a new or empty directory")
    if not directory.is_dir() or Claim.of(directory):
        return
    there = {path.name for path in directory.iterdir() if not path.name.startswith(".claim.")}
    foreign = there - {*(by_hydra or WRITTEN_BY_HYDRA), ".lock"}
    if by_hydra is None and there - {".lock"} and not _written_for_us(directory):
        foreign = there
    if foreign:
        shown = ", ".join(sorted(foreign)[:3]) + (", ..." if len(foreign) > 3 else "")
        raise PolyakError(
            f"{directory}: holds {shown}, and no run has claimed it; allowed: a new or empty "
            "directory, or one that a run has made"
        )


def _written_for_us(directory: Path) -> bool:
    """Whether Hydra has written into a directory for this project, or has only begun to."""
    folder = directory / ".hydra"
    if folder.is_symlink() or not folder.is_dir():
        return False
    first, second = folder / "config.yaml", folder / "hydra.yaml"
    # Of three files, the disk was full at the first or second.
    cut = {*os.listdir(folder)} <= {first.name, second.name} and first.is_file()
    if cut and hydra.mentions(first, "_target_: polyak.", or_empty=True):
        return True
    return hydra.mentions(second, "_target_: polyak.config.sweep.Points", or_empty=True)


def check_same(directory: Path, config: Mapping[str, Any]) -> None:
    """Raise PolyakError where a run of another configuration was finished in `directory`."""
    if not (directory / summary.NAME).exists():
        return
    keys = summary.differing(Summary.read(directory).config, config)
    if differing := [key for key in keys if not key.startswith(ELSEWHERE)]:
        raise PolyakError(
            f"{directory}: a run with another {', '.join(differing)} was finished here; give "
            "another name"
        )


@dataclass
class Run:
    """One job's directory, and the seconds of each of its stages."""

    directory: Path
    seconds: dict[str, float] = field(default_factory=dict)
    current: str = "start"

    def finished(self, config: Mapping[str, Any]) -> bool:
        """Whether this run was finished before with the same configuration, wherever its outputs
        are and however many threads it had. What an unfinished one left is removed.

        Raises PolyakError where a run of another configuration was finished here.
        """
        if not (self.directory / summary.NAME).exists():
            files.remove(self.directory, paths.RUN)
            files.remove_half_written(self.directory, [r"(summary|claim)\.json"])
            return False
        check_same(self.directory, config)
        log.info("%s: finished before, with the same configuration", self.directory)
        return True

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is inside, and name it in failure.json where it fails."""
        self.current = name
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def part(self, name: str, of: str, seconds: float) -> None:
        """Count `seconds` of a stage that has ended as a stage of their own."""
        self.seconds[of] -= seconds
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def finish(self, found: Summary, message: str) -> None:
        """Write summary.json, which marks the run complete, and then log `message`."""
        files.flush_folders(self.directory)
        with files.names_later(None):
            found.write(self.directory)
        log.info("%s\n\n%s\n", self.directory, message)


@contextmanager
def claimed(directory: Path, by_hydra: Collection[str] = WRITTEN_BY_HYDRA) -> Iterator[Run]:
    """Hold the directory as long as this process works in it, and say in claim.json which it is. An
    exception inside becomes failure.json and goes on.

    Raises PolyakError where the directory isn't a run's to use (`check_usable`), a folder in it is
    a link, or another run is working in it.
    """
    with _locked(directory, by_hydra):
        claim = {"process": os.getpid(), "host": platform.node(), "began": time.time()}
        files.write_json(directory / "claim.json", claim)
        run = Run(directory)
        try:
            with files.names_later(directory):
                yield run
        except BaseException as error:
            _record_failure(run, error)
            raise


@contextmanager
def _locked(directory: Path, by_hydra: Collection[str]) -> Iterator[None]:
    lock = FileLock(directory / ".lock")
    try:
        check_usable(directory, by_hydra)
        paths.check_run(directory)
        directory.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise PolyakError(
                f"{directory}: another run is working in this directory; name another"
            ) from None
    except PolyakError as error:
        log.error("%s", error, extra={SAID_LATER: True})
        raise
    try:
        yield
    finally:
        lock.release()


def _record_failure(run: Run, error: BaseException) -> None:
    epoch = error.epoch if isinstance(error, DivergedError) else _epoch_in_training(run)
    reason = str(error) or type(error).__name__
    if isinstance(error, KeyboardInterrupt | SystemExit):
        dropped = "" if epoch is None else f", in epoch {epoch}, which is dropped"
        reason = f"interrupted in stage {run.current}{dropped}: the same command continues"
    # A PolyakError's message says it all; anything unforeseen needs its traceback.
    known = isinstance(error, PolyakError | OSError)
    foreseen = known or isinstance(error, KeyboardInterrupt | SystemExit)
    extra = {SAID_LATER: True} if known else None
    log.error("%s", reason, exc_info=None if foreseen else error, extra=extra)
    if (run.directory / summary.NAME).exists():
        return  # what was finished here stays so
    failure = {
        "stage": run.current,
        "epoch": epoch,
        "kind": type(error).__name__,
        "reason": reason,
    }
    try:
        files.write_json(run.directory / "failure.json", failure)
    except OSError as unwritten:
        log.error("failure.json could not be written: %s", unwritten)


def _epoch_in_training(run: Run) -> int | None:
    """The epoch after those whose checkpoints are there; None in another stage."""
    if run.current != "training":
        return None
    return len(list((run.directory / "checkpoints").glob("epoch_*")))
