"""Fixtures: small images that a small network can learn, and a way to run the real commands."""

import gc
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from tests import small
from tests.small import ROOT, THREADS, learnable

__all__ = ["ROOT"]

torch.set_num_threads(THREADS)
gc.disable()  # until all is imported and collected, which stays: see polyak/imports.py


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts processes is marked `process`: tests with the fixture `processes`, their own or
    their fixtures', and those that name a module that does it; what measures memory, `memory`."""
    for item in items:
        named = {"subprocess", "own_memory"} & set(item.function.__code__.co_names)
        if named or "processes" in item.fixturenames:
            item.add_marker(pytest.mark.process)
        if "own_memory" in named:
            item.add_marker(pytest.mark.memory)


@pytest.fixture(scope="session")
def processes() -> ModuleType:
    """What starts train.py, and Python, in processes of their own: tests/processes.py."""
    from tests import processes

    return processes


@pytest.fixture(scope="session")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with train.npz (300 images of 8x8) and test.npz (90)."""
    directory = tmp_path_factory.mktemp("arrays")
    np.savez(directory / "train.npz", **learnable(300, seed=0))
    np.savez(directory / "test.npz", **learnable(90, seed=1))
    return directory


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that this process makes are files of one pixel: see `blank`."""
    monkeypatch.setattr("polyak.runs.style._render", small.blank)


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def train(tmp_path: Path, arrays: Path, processes: ModuleType) -> Command:
    """Run train.py's command on the small images, all outputs below `tmp_path`/outputs.

    Called with overrides; those given come after, and so win over, the small configuration. Each
    run is a process of its own, forked from one that has done the imports; tests of what a person's
    very process does ask `processes` for a fresh one.
    """

    def command(*overrides: str, again: Path | None = None) -> subprocess.CompletedProcess[str]:
        given = small.overrides(arrays, tmp_path / "outputs")
        flags = [one for one in overrides if one.startswith("--")]
        flags += ["--again", str(again)] if again else []
        values = [one for one in overrides if not one.startswith("--")]
        return processes.run([*flags, *given, *values], tmp_path)

    return command


@pytest.fixture(scope="session")
def directory(
    tmp_path_factory: pytest.TempPathFactory, arrays: Path, processes: ModuleType
) -> Path:
    """One small finished run, with a validation split and a greedy average."""
    outputs = tmp_path_factory.mktemp("run")
    changed = ("dataset.validation=60", "averaging=greedy", "averaging.running=false")
    given = [
        *small.overrides(arrays, outputs),
        *changed,
        "training.epochs=5",
        "averaging.start=1",
        "name=run",
    ]
    done = processes.run(given, outputs)
    assert done.returncode == 0, done.stderr
    return outputs / "runs" / "run"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many broken files tests/fuzz tried; other processes' tests send theirs along."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.getreports(kind)]
    for report in reports:
        for name, value in report.user_properties:
            if name.startswith("fuzz") and report.when == "call":
                terminalreporter.write_line(str(value))
