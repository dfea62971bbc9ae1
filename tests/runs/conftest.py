"""One small finished run, with a validation split and a greedy average, for the tests beside."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="session")
def directory(tmp_path_factory, arrays):
    outputs = tmp_path_factory.mktemp("windows")
    subprocess.run(
        [
            *(sys.executable, str(ROOT / "src" / "train.py"), "name=run"),
            *("dataset=arrays", f"dataset.train={arrays}/train.npz"),
            *(f"dataset.test={arrays}/test.npz", "dataset.validation=60", "averaging.start=1"),
            *("model.channels=[4,8]", "model.hidden=16", "training.batch_size=32"),
            *("training.epochs=5", "training.threads=2", "training.device=cpu"),
            *("averaging=greedy", f"paths.outputs={outputs}"),
        ],
        capture_output=True,
        check=True,
    )
    return outputs / "runs" / "run"
