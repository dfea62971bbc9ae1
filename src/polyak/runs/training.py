"""A run's trajectory: trained, resumed or reused, with metrics.csv and links as its epochs come.

records = train(run, trajectory, keys, epochs=20, device=device)
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from polyak.runs.metrics import add_metrics, row_of, write_metrics
from polyak.runs.progress import progress
from polyak.runs.recorded import RecordedWindow
from polyak.runs.records import link_epoch
from polyak.store.record import EpochRecord
from polyak.store.recording import Recording, lengths
from polyak.store.trajectory import Trajectory

log = logging.getLogger(__name__)


def train(
    run: Path,
    trajectory: Trajectory,
    keys: Mapping[str, str],
    epochs: int,
    device: torch.device,
    recording: Recording = Recording(),  # noqa: B008  frozen
    recorded: RecordedWindow | None = None,
    on_epoch: Callable[[Mapping[str, float]], object] = lambda _: None,
) -> list[EpochRecord]:
    """The records of all epochs, `on_epoch` having been given each one's row; with what the run
    averages of the `recording` linked into it.

    Raises what `Trajectory.epochs` does; then the run's directory has the epochs before."""
    if recording.there:
        steps = trajectory.recipe.steps(len(trajectory.dataset.train))
        found = lengths(recording.intervals(0, steps))
        what = "step means of" if recording.means else "checkpoints after"
        log.info(
            "recording %s: %s %s, which begin anew with each epoch",
            *(recording.description, what, found),
        )
    records: list[EpochRecord] = []
    written = 0
    with progress(trajectory, epochs, device) as bar:
        for record in trajectory.epochs(
            count=epochs, device=device, keys=keys, run=run, on_step=bar.step, recording=recording
        ):
            records.append(record)
            if 0 < written == len(records) - 1:  # else its cost would grow with the epochs
                add_metrics(run / "metrics.csv", record)
                written += 1
            elif not record.stored or len(records) == epochs:
                write_metrics(run / "metrics.csv", records)
                written = len(records)
            link_epoch(run, trajectory.directory, keys, record.training.epoch)
            if recorded:
                recorded.link(trajectory.directory, run, record.training.epoch)
            on_epoch(row_of(record))
            bar.epoch(record)
    return records
