"""What runs leave, read back and compared."""

import json
from pathlib import Path

import pandas as pd


def summary_of(directory: Path) -> dict:
    return json.loads((directory / "summary.json").read_text())


def only_run(outputs: Path) -> Path:
    (directory,) = (outputs / "runs").iterdir()
    return directory


def tensor_files(directory: Path) -> dict[str, bytes]:
    """Every file of tensors below a run's directory; none of them tells the time or the place."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*.safetensors"))
    }


def metrics_of(directory: Path) -> pd.DataFrame:
    return pd.read_csv(directory / "metrics.csv").drop(columns="seconds")


def assert_same_results(one: Path, two: Path) -> None:
    """Bit for bit."""
    assert tensor_files(one) == tensor_files(two)
    pd.testing.assert_frame_equal(metrics_of(one), metrics_of(two), check_exact=True)
    for key in ("results", "gains", "fingerprint", "evaluation_keys", "window"):
        assert summary_of(one)[key] == summary_of(two)[key], key
