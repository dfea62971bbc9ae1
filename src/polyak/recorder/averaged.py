"""A model with the mean of its recorded epochs' weights, for a while.

with averaged(model, "outputs/recorded/my_run", start=10):
    evaluate(model)    # with the mean of the epochs from 10 on; then it has its own weights again
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn

from polyak.averaging import batch_norm
from polyak.averaging.mean import mean_of_files
from polyak.errors import ConfigError
from polyak.recorder import ranks
from polyak.recorder.gathered import is_sharded
from polyak.recorder.wrapped import unwrapped
from polyak.store import paths
from polyak.store.manifest import Manifest


def check_batches(model: nn.Module, given: bool) -> None:
    """Raise ConfigError where a model has running statistics, and no batches are given that these
    could be computed on."""
    if not given and (names := batch_norm.statistics(unwrapped(model))):
        raise ConfigError(
            f"{names[0]}: an average has running statistics of its own; allowed: batches of what "
            "the model takes, to compute them on (docs/batch_norm.md)"
        )


@contextmanager
def averaged(
    model: nn.Module,
    directory: str | os.PathLike[str],
    start: int,
    end: int | None = None,
    *,
    batches: Iterable[Tensor] | None = None,
) -> Iterator[None]:
    """`model` with the mean of the weights of the recorded epochs [start, end), None: of all from
    `start` on; in a distributed training on every rank, as rank 0 reads it. On leaving, the model
    has the weights again that it had.

    A model with batch norm needs `batches`, as `polyak.averaging.batch_norm.refresh` takes them.
    Raises ConfigError without them, for weights that are spread over ranks, or for a window that
    isn't recorded; StoreError for a directory
    that is no recording, or a file that was changed; CheckpointError as `mean_of_files` does.
    """
    inner = unwrapped(model)
    if is_sharded(inner):
        raise ConfigError(
            f"{type(inner).__name__}: its weights are spread over ranks; allowed: polyak.open, or "
            "python -m polyak average, in one process"
        )
    check_batches(inner, batches is not None)
    state = inner.state_dict()
    before = {name: one.detach().clone() for name, one in state.items()}
    try:
        ranks.told(lambda: _load(inner, Path(directory).absolute(), start, end, batches))
        ranks.given(state.values())
        yield
    finally:
        inner.load_state_dict(before)


def _load(
    model: nn.Module, path: Path, start: int, end: int | None, batches: Iterable[Tensor] | None
) -> int:
    manifest = Manifest.open(path)
    stop = manifest.trained if end is None else end
    if not 0 <= start < stop <= manifest.trained:
        raise ConfigError(
            f"epochs [{start}, {stop}): allowed: a window of the {manifest.trained} epochs that "
            f"{path} has"
        )
    manifest.check_intact(range(start, stop))
    files = [paths.checkpoint(path, epoch) for epoch in range(start, stop)]
    model.load_state_dict(mean_of_files(files).tensors)
    if batches is not None:
        batch_norm.refresh(model, batches)
    return 0
