"""One small finished run, with a validation split and a greedy average, for the tests beside."""

import pytest

from tests.small import overrides


@pytest.fixture(scope="session")
def directory(tmp_path_factory, arrays, processes):
    outputs = tmp_path_factory.mktemp("windows")
    changed = ("dataset.validation=60", "averaging=greedy", "averaging.running=false")
    given = [
        *overrides(arrays, outputs),
        *changed,
        "training.epochs=5",
        "averaging.start=1",
        "name=run",
    ]
    done = processes.run(given, outputs)
    assert done.returncode == 0, done.stderr
    return outputs / "runs" / "run"
