"""Sweeps whose points run at the same time, in other processes: the same results, trained once."""

import subprocess

import pytest
from omegaconf import OmegaConf

from polyak.config import sweep
from tests.results import assert_same_results, summary_of
from tests.small import ROOT, overrides

STARTS, RATES = "averaging.start=0,1", "optimizer.lr=0.02,0.05,1e25"
"""Two windows of three trainings; one of these diverges at once."""


def points(*rates: str) -> list[str]:
    return [f"averaging.start={start},optimizer.lr={lr}" for start in "01" for lr in rates]


@pytest.fixture
def run_sweep(processes, arrays, tmp_path):
    """Run the sweep below `tmp_path`, as a person starts it."""

    def run(*changed: str) -> subprocess.CompletedProcess[str]:
        given = [*overrides(arrays, tmp_path), "training.epochs=2", STARTS, RATES]
        # An installed package needs no path; the tests' Python may not have it installed.
        return processes.run(
            ["--multirun", "name=s", *given, "training.threads=null", *changed],
            tmp_path,
            fresh=True,
            PYTHONPATH=str(ROOT / "src"),
        )

    return run


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory, arrays, processes):
    """The same sweep under Hydra's own launcher, in one process, with one thread."""
    outputs = tmp_path_factory.mktemp("one_by_one")
    given = [*overrides(arrays, outputs), "training.epochs=2", "training.threads=1"]
    done = processes.run(["--multirun", "name=s", *given, STARTS, RATES], outputs)
    assert done.returncode == 1
    return outputs / "sweeps" / "s"


@pytest.mark.parametrize(
    ("launcher", "rates"),
    [
        ("joblib", ("0.02", "0.05")),
        ("submitit_local", ("0.05",)),  # here each point is a Python of its own: seconds
        pytest.param("ray", ("0.05",), marks=pytest.mark.slow),
    ],
)
def test_points_in_parallel_train_each_trajectory_once_and_give_the_same_bits(
    one_by_one, run_sweep, tmp_path, launcher, rates
):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.partition('_')[0]}_launcher")
    done = run_sweep(f"hydra/launcher={launcher}", f"optimizer.lr={','.join(rates)},1e25")
    directory = tmp_path / "sweeps" / "s"
    runs = {path.parent.name: path.parent for path in directory.glob("*/summary.json")}
    assert set(runs) == set(points(*rates)), done.stdout + done.stderr
    origins = sorted(summary_of(run)["trajectory"] for run in runs.values())
    assert origins == ["reused"] * len(rates) + ["trained"] * len(rates)
    for name, run in runs.items():
        assert summary_of(run)["environment"]["threads"] == 1
        assert_same_results(run, one_by_one / name)
    assert done.returncode == 1
    assert f"failed: 2 in {directory}\n" in done.stderr
    for name in points("1e+25"):
        assert f"\n{name}: training diverged: the loss became nan in epoch 0" in done.stderr


def test_a_launcher_that_can_not_begin_says_why(run_sweep):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    done = run_sweep("hydra/launcher=joblib", "hydra.launcher.n_jobs=0")
    assert done.returncode == 1
    assert "n_jobs == 0" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("launcher", "changed", "threads"),
    [
        ("joblib", {}, 1),
        ("joblib", {"n_jobs": 1}, 8),
        ("joblib", {"n_jobs": 3}, 2),
        ("joblib", {"n_jobs": 100}, 1),
        ("submitit_local", {}, 1),
        ("submitit_slurm", {}, 4),
        ("submitit_slurm", {"cpus_per_task": 6}, 6),
        ("ray", {}, 1),
        ("ray", {"ray": {"remote": {"num_cpus": 3}}}, 3),
    ],
)
def test_a_parallel_run_has_its_share_of_the_cores(monkeypatch, launcher, changed, threads):
    monkeypatch.setattr(sweep.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(sweep.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    config = OmegaConf.load(ROOT / "conf" / "hydra" / "launcher" / f"{launcher}.yaml")
    assert sweep.threads(OmegaConf.merge(config, changed)) == threads
