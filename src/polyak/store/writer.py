"""Writing beside the training: a thread, a short queue, and errors that stop the run.

with Writer() as writer:
    writer.put(lambda: checkpoint.save(path, tensors))
    writer.check()      # raises what a write has raised
    writer.finish()     # waits for all of them
"""

from collections.abc import Callable
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Self

WAITING = 2
"""How many writes may wait; each holds the tensors that it is to write."""


class Writer:
    """Runs what it is given, in order, in a thread of its own. Where one raises, those after it are
    dropped, and the next call raises that exception here."""

    def __init__(self) -> None:
        self._jobs: Queue[Callable[[], object] | None] = Queue(WAITING)
        self._error: BaseException | None = None
        self._thread: Thread | None = None

    def put(self, job: Callable[[], object]) -> None:
        """Run `job` after those before; waits only where WAITING of them do."""
        self.check()
        if self._thread is None:
            self._thread = Thread(target=self._work, name="writer", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def check(self) -> None:
        """Raise what has been raised in the thread."""
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Wait until all is done; raises as `check` does."""
        self._jobs.join()
        self.check()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """End the thread; after an exception, what waits is dropped."""
        if error is not None and self._error is None:
            self._error = error
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                if self._error is None:
                    job()
            except BaseException as error:
                self._error = error
            finally:
                self._jobs.task_done()
        self._jobs.task_done()
