"""What an epoch of the article's network writes and hashes, in bytes and time, by what it is for.

    python -m benchmarks.written

Three epochs of a few images, with step means, in this process; then the same trajectory used again
here, and as another process would, which has hashed nothing yet. Bytes per epoch; milliseconds are
medians over files, of writing with the flush to disk, and of hashing.
"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.subject import BATCH_SIZE, recipe, split
from polyak import files
from polyak.data.dataset import Dataset
from polyak.evaluation.key import evaluation_key
from polyak.evaluation.logits import Inference
from polyak.store import manifest
from polyak.store.recording import Recording
from polyak.store.trajectory import Trajectory
from polyak.weights import checkpoint

EPOCHS = 3


class Counted:
    """Bytes and seconds of each call, by what was done to which kind of file."""

    def __init__(self) -> None:
        self.calls: dict[str, list[tuple[int, float]]] = defaultdict(list)

    def timed(
        self, kind: str, function: Callable[..., Any], size: Callable[..., int]
    ) -> Callable[..., Any]:
        def call(given: Any, *more: Any) -> Any:
            began = time.perf_counter()
            found = function(given, *more)
            taken = time.perf_counter() - began
            of = f" of {given.parent.name}" if isinstance(given, Path) else ""
            self.calls[kind + of].append((size(given), taken))
            return found

        return call

    @contextmanager
    def counting(self) -> Iterator[None]:
        def of_file(path: Path) -> int:
            return path.stat().st_size

        def of_state(state: Any) -> int:
            return sum(one.nbytes for one in state.values())

        digest = self.timed("SHA-256 of tensors", checkpoint.digest, of_state)
        with (
            patch.object(files, "sha256", self.timed("SHA-256 of file", files.sha256, of_file)),
            patch.object(checkpoint, "digest", digest),
            patch.object(checkpoint, "save", self.timed("written", checkpoint.save, of_file)),
        ):
            yield

    def report(self, title: str) -> None:
        print(f"\n{title}")
        for kind, calls in sorted(self.calls.items()):
            size = sum(one for one, _ in calls) / EPOCHS
            taken = 1e3 * statistics.median(seconds for _, seconds in calls)
            print(f"{kind:32} {size:12,.0f} bytes per epoch, {taken:7.1f} ms (n = {len(calls)})")
        hashed = sum(n for kind, calls in self.calls.items() if "SHA" in kind for n, _ in calls)
        print(f"{'hashed in all':32} {hashed / EPOCHS:12,.0f} bytes per epoch")


def main() -> None:
    train = test = split(2 * BATCH_SIZE)
    data = Dataset("random", "random", True, None, 10, train, None, test)
    keys = {name: evaluation_key(one, Inference()) for name, one in data.evaluated.items()}
    with tempfile.TemporaryDirectory() as folder:
        for title in ("trained", "used again in this process", "used again in another process"):
            if "another" in title:
                manifest._verified.clear()
            counted, trajectory = Counted(), Trajectory(Path(folder), recipe(), data)
            with counted.counting():
                list(
                    trajectory.epochs(
                        count=EPOCHS,
                        device=torch.device("cpu"),
                        keys=keys,
                        recording=Recording(every=1.0, means=True),
                    )
                )
            counted.report(title)


if __name__ == "__main__":
    main()
