"""A run is tracked while it trains, and any finished run after the fact.

    with live(backend, run, config) as tracking:
        tracking.epoch({"epoch": 0, "test_accuracy": 0.8, ...})
        tracking.finish()           # summary.json is there
    track(run, backend)

What goes wrong with a tool while a run trains is a warning: the run goes on, and its files have
all.
"""

import logging
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from polyak.errors import PolyakError
from polyak.records.summary import Summary
from polyak.tracking import tracked
from polyak.tracking.backend import Backend, Sink

log = logging.getLogger(__name__)

LONGEST_WAIT = 60.0
"""Seconds for another process that tracks the same run, or still writes it."""


class Tracking:
    """One run's, which stops at its first error."""

    def __init__(self, run: Path, backend: Backend) -> None:
        self._run, self._backend = run, backend
        self._sink: Sink | None = None
        self._epochs = 0

    def open(self, config: Mapping[str, Any]) -> None:
        """Begin. Raises PolyakError where the backend refuses the run."""
        try:
            self._sink = self._backend.open(tracked.origin_of(self._run, config))
        except PolyakError:
            raise
        except Exception as error:
            self._stop(error)

    def epoch(self, row: Mapping[str, float]) -> None:
        """A row of metrics.csv, as the epoch ends."""
        self._guarded(lambda sink: sink.log(tracked.epoch(row)))
        self._epochs += 1

    def finish(self) -> None:
        """All else that the finished run's files have."""

        def rest(sink: Sink) -> None:
            for point in islice(tracked.points(self._run), self._epochs, None):
                sink.log(point)
            sink.finish(tracked.outcome(self._run))
            log.info("%s has this run: docs/tracking.md says where", self._backend.name)

        self._guarded(rest)
        self.close(complete=True)

    def close(self, *, complete: bool) -> None:
        """Once, whatever happened."""
        self._guarded(lambda sink: sink.close(complete))
        self._sink = None

    def _guarded(self, action: Callable[[Sink], None]) -> None:
        if self._sink is None:
            return
        try:
            action(self._sink)
        except Exception as error:
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        self._sink = None
        log.warning(
            "%s failed (%s); the run goes on, untracked. When it is finished: "
            "python -m polyak track %s --to %s",
            *(self._backend.name, _said(error), shlex.quote(str(self._run)), self._options()),
        )

    def _options(self) -> str:
        """The backend's name, and how it was set up."""
        given = {key: one for key, one in vars(self._backend).items() if one is not None}
        sets = [f"--set {shlex.quote(f'{key}={one}')}" for key, one in given.items()]
        return " ".join([self._backend.name, *sets])


@contextmanager
def live(backend: Backend, run: Path, config: Mapping[str, Any]) -> Iterator[Tracking]:
    """The tracking of a run with that configuration, closed as failed unless it is finished."""
    tracking = Tracking(run, backend)
    tracking.open(config)
    try:
        yield tracking
    finally:
        tracking.close(complete=False)


def track(run: Path, backend: Backend) -> None:
    """A finished run, from its files, once no other process works in its directory: two that track
    it would remove each other's events. Raises PolyakError."""
    with ExitStack() as held:
        if os.access(run, os.W_OK):  # else it is somebody else's, and tracked elsewhere
            try:
                held.enter_context(FileLock(run / ".lock").acquire(timeout=LONGEST_WAIT))
            except Timeout:
                raise PolyakError(
                    f"{run}: another process has worked in it for {LONGEST_WAIT:g} s; try later"
                ) from None
        _track(run, backend)


def _track(run: Path, backend: Backend) -> None:
    outcome, config = tracked.outcome(run), Summary.read(run).config
    points = list(tracked.points(run))
    complete = False
    try:
        sink = backend.open(tracked.origin_of(run, config))
        if sink is None:
            return
        try:
            for point in points:
                sink.log(point)
            sink.finish(outcome)
            complete = True
        finally:
            sink.close(complete)
    except Exception as error:
        if isinstance(error, PolyakError) or getattr(error, "filename", None):
            raise
        raise PolyakError(f"{run}: {backend.name} failed ({_said(error)})") from error


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:300] or type(error).__name__
