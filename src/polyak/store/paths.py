"""Where the files of a trajectory are, and those of a run that links to them. Needs no torch.

checkpoint(run, epoch=3)          # run/checkpoints/epoch_003.safetensors
predictions(run, "test", 3)       # run/predictions/test/epoch_003.safetensors
"""

from pathlib import Path
from typing import Literal

from polyak import files
from polyak.errors import PolyakError

EPOCH = r"epoch_\d{3,}\.safetensors"
"""Regular expression of the name of an epoch's file."""

RECORD_NAME = r"(step|mean)_\d{8,}\.safetensors"
"""Of the name of what is recorded between epochs' ends."""

RECORD = rf"recordings/[\w.]+/{RECORD_NAME}"
"""Of its path."""

TRAJECTORY = (
    *(r"trajectory\.jsonl?", r"runs\.txt", rf"checkpoints/{EPOCH}", rf"state/{EPOCH}"),
    *(rf"evaluations/[0-9a-f]{{16}}/{EPOCH}", RECORD, r"recordings/[\w.]+/index\.jsonl"),
    *(r"evaluations/[0-9a-f]{16}/scores\.jsonl?", r"evaluation\.json"),
)
"""Regular expressions of all that is in a trajectory's directory, relative to it."""

RUN = (
    *(r"metrics\.csv", r"averaged\.safetensors", r"failure\.json", rf"checkpoints/{EPOCH}"),
    RECORD,
    rf"predictions/(validation|test)/({EPOCH}|(average|last_refreshed|labels)\.safetensors)",
    r"figures/(accuracy|samples)\.png",
)
"""Of all that a run writes before its summary.json, relative to its directory."""


def check_run(run: Path) -> None:
    """Raise PolyakError where a folder in a run's directory is a link (`files.real_directory`)."""
    for name in ("checkpoints", "predictions", "figures"):
        files.real_directory(run / name)
    for split in ("validation", "test"):
        files.real_directory(run / "predictions" / split)
    _check_all_in(run / "recordings")


def check_trajectory(trajectory: Path) -> None:
    """The same for a trajectory's directory."""
    for name in ("checkpoints", "state"):
        files.real_directory(trajectory / name)
    for name in ("evaluations", "recordings"):
        _check_all_in(trajectory / name)


def _check_all_in(folder: Path) -> None:
    files.real_directory(folder)
    for inner in folder.glob("[!.]*"):  # what a file browser leaves has a dot
        files.real_directory(inner)


def checkpoint(directory: Path, epoch: int) -> Path:
    """The weights after zero-based `epoch`, in the directory of a trajectory or of a run."""
    return directory / "checkpoints" / _epoch(epoch)


def check_there(run: Path, epochs: int) -> None:
    """Raise PolyakError where a run's directory has fewer checkpoints than the `epochs` that its
    summary.json says: work grows with their square."""
    there = sum(1 for _ in (run / "checkpoints").glob("epoch_*.safetensors"))
    if there < epochs:
        raise PolyakError(
            f"{run}: has {there:,} checkpoints, and {epochs:,} epochs by its summary.json; "
            "allowed: a run with a checkpoint of each epoch"
        )


def recordings(directory: Path, recording: str) -> Path:
    """What the recording of that name has, in the directory of a trajectory or of a run."""
    return directory / "recordings" / recording


def record(kind: Literal["step", "mean"], steps: int) -> str:
    """The name of a file in there: the weights after so many steps of the training, or the mean
    over the interval that ends there. Names of more than 8 digits don't sort; numbers do."""
    return f"{kind}_{steps:08d}.safetensors"


def average(run: Path) -> Path:
    """A run's averaged weights."""
    return run / "averaged.safetensors"


def logits(trajectory: Path, key: str, epoch: int) -> Path:
    """The logits of that checkpoint for the split with that evaluation key."""
    return trajectory / "evaluations" / key / _epoch(epoch)


def evaluation(trajectory: Path, key: str) -> Path:
    """What somebody's own function has given of its checkpoints."""
    return trajectory / "evaluations" / key


def state(trajectory: Path, epoch: int) -> Path:
    """The optimizer's state after that epoch; only the latest is kept."""
    return trajectory / "state" / _epoch(epoch)


def predictions(
    run: Path, split: str, what: int | Literal["average", "last_refreshed", "labels"]
) -> Path:
    """In a run's directory: the logits of an epoch's checkpoint, of the average, or of the last
    checkpoint with refreshed statistics, on a split, or what logits are compared with."""
    name = _epoch(what) if isinstance(what, int) else f"{what}.safetensors"
    return run / "predictions" / split / name


def _epoch(epoch: int) -> str:
    return f"epoch_{epoch:03d}.safetensors"
