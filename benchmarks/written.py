"""What an epoch of the article's network writes and hashes, in bytes and time, by what it is for.

    python -m benchmarks.written

Three epochs of a few images, with step means, in this process; then the same trajectory used again
here, and as another process would, which has hashed nothing yet. Bytes per epoch; milliseconds are
medians over files, of writing with the flush to disk, and of hashing.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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


Calls = dict[str, list[tuple[int, float]]]
"""Bytes and seconds of each, by what was done to which kind of file."""
COUNTED = (
    (files, "sha256", "SHA-256 of file"),
    (checkpoint, "digest", "SHA-256 of tensors"),
    (checkpoint, "save", "written"),
)


@contextmanager
def counting(calls: Calls) -> Iterator[None]:
    def counted(function: Callable[..., Any], kind: str) -> Callable[..., Any]:
        def call(given: Any, *more: Any) -> Any:
            began = time.perf_counter()
            found = function(given, *more)
            taken = time.perf_counter() - began
            if isinstance(given, Path):
                done, size = f"{kind} of {given.parent.name}", given.stat().st_size
            else:
                done, size = kind, sum(one.nbytes for one in given.values())
            calls.setdefault(done, []).append((size, taken))
            return found

        return call

    with ExitStack() as stack:
        for module, name, kind in COUNTED:
            each = counted(getattr(module, name), kind)
            stack.enter_context(patch.object(module, name, each))
        yield


def report(title: str, calls: Calls) -> None:
    print(f"\n{title}")
    for kind, each in sorted(calls.items()):
        size = sum(one for one, _ in each) / EPOCHS
        taken = 1e3 * statistics.median(seconds for _, seconds in each)
        print(f"{kind:32} {size:12,.0f} bytes per epoch, {taken:7.1f} ms (n = {len(each)})")
    hashed = sum(size for kind, each in calls.items() if "SHA" in kind for size, _ in each)
    print(f"{'hashed in all':32} {hashed / EPOCHS:12,.0f} bytes per epoch")


def main() -> None:
    train = test = split(2 * BATCH_SIZE)
    data = Dataset("random", "random", True, None, 10, train, None, test)
    keys = {name: evaluation_key(one, Inference()) for name, one in data.evaluated.items()}
    recording, device = Recording(every=1.0, means=True), torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        for title in ("trained", "used again in this process", "used again in another process"):
            if "another" in title:
                manifest._verified.clear()
            calls, trajectory = Calls(), Trajectory(Path(folder), recipe(), data)
            with counting(calls):
                list(trajectory.epochs(count=EPOCHS, device=device, keys=keys, recording=recording))
            report(title, calls)


if __name__ == "__main__":
    main()
