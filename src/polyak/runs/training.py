"""A run's trajectory: trained, resumed or reused, with metrics.csv and links as its epochs come.

records = train(run, trajectory, keys, epochs=20, device=device)
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from polyak.runs.metrics import write_metrics
from polyak.runs.progress import progress
from polyak.runs.records import link_epoch
from polyak.store.record import EpochRecord
from polyak.store.trajectory import Trajectory


def train(
    run: Path, trajectory: Trajectory, keys: Mapping[str, str], epochs: int, device: torch.device
) -> list[EpochRecord]:
    """The records of all epochs. Raises what `Trajectory.epochs` does; then the run's directory has
    the epochs before."""
    records: list[EpochRecord] = []
    with progress(trajectory, epochs, device) as bar:
        for record in trajectory.epochs(
            count=epochs, device=device, keys=keys, run=run, on_step=bar.step
        ):
            records.append(record)
            if not record.stored or len(records) == epochs:
                write_metrics(run / "metrics.csv", records)
            link_epoch(run, trajectory, keys, record.training.epoch)
            bar.epoch(record)
    return records
