"""`python -m polyak track`, and `tracking=` of train.py, in this process."""

import logging
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

import train
from polyak.__main__ import main
from polyak.config.again import expand
from polyak.config.compose import configured
from polyak.errors import ConfigError, PolyakError
from polyak.tracking.backends.tensorboard import TensorBoard
from tests.results import assert_same_results, summary_of
from tests.small import ROOT, overrides
from tests.tracking.runs import write

pytest.importorskip("tensorboard")
from tests.tracking.test_backends import events

pytestmark = pytest.mark.filterwarnings("ignore")


def test_every_run_below_a_directory_is_tracked(tmp_path, capsys):
    sweep = tmp_path / "sweep"
    runs = [write(sweep / "seed=0"), write(sweep / "seed=1")]
    for name, there in {"seed=2": ["claim.json"], "seed=3": ["claim.json", "failure.json"]}.items():
        (sweep / name).mkdir()
        for file in there:
            (sweep / name / file).write_text("{}")
    assert main(["track", str(sweep), str(runs[0]), "--to", "tensorboard"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        *(f"{run}: tracked by tensorboard" for run in runs),
        f"left out, since they failed: {sweep / 'seed=3'}",
        f"left out, since they are not finished: {sweep / 'seed=2'}",
    ]
    assert all(events(run / "tensorboard").Scalars("test/accuracy") for run in runs)


def test_a_damaged_run_does_not_keep_others_from_being_tracked(tmp_path, capsys):
    damaged, intact = write(tmp_path / "a"), write(tmp_path / "b")
    (damaged / "summary.json").write_text("{")
    assert main(["track", str(tmp_path), "--to", "tensorboard", "--set", "directory=null"]) == 1
    out, err = capsys.readouterr()
    assert out == f"{intact}: tracked by tensorboard\n"
    assert err.startswith(f"error: {damaged}/summary.json: can't be read")


def test_runs_that_failed_are_told_from_unfinished_ones(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "claim.json").write_text("{}")
    (tmp_path / "a" / "failure.json").write_text("{}")
    assert main(["track", str(tmp_path), "--to", "tensorboard"]) == 1
    assert "has no finished run, only 1 failed; give" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--to", "tensorboard"], "nowhere: there is no such directory"),
        ([".", "--to", "tensorboard"], "has no finished run; give that of a run or sweep"),
        ([".", "--to", "visdom"], "tracking = visdom: allowed: mlflow, none, tensorboard, wandb"),
        ([".", "--to", "wandb", "--set", "mode=maybe"], "tracking.mode = maybe: allowed: 'offline"),
        ([".", "--to", "wandb", "--set", "project=a/b"], "tracking.project = 'a/b'"),
        ([".", "--to", "wandb", "--set", "projct=a"], "tracking.projct: there is no such key"),
    ],
)
def test_what_cannot_be_tracked_is_one_message(tmp_path, arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["track", *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.fixture
def start(arrays, tmp_path, caplog):
    """train.py's own steps, from the composed configuration on."""

    def started(name: str, *given: str) -> Path:
        wanted = [*overrides(arrays, tmp_path), "training.epochs=2", "averaging.start=0", *given]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("config", wanted)
        directory = tmp_path / "runs" / name
        train.run(cfg, directory, caller=tmp_path, in_sweep=False, threads=1)
        return directory

    caplog.set_level(logging.INFO)
    return started


def test_tracking_changes_no_result_and_a_finished_run_tracks_too(start, monkeypatch, caplog):
    plain, tracked = start("plain"), start("tracked", "tracking=tensorboard")
    assert_same_results(plain, tracked)
    assert "tracking" not in summary_of(tracked)["config"]
    start("plain", "tracking=tensorboard")
    finished, shown = caplog.messages[-2:]
    assert finished.endswith("finished before, with the same configuration")
    assert shown == "tensorboard has this run: docs/tracking.md says where"
    found = [events(run / "tensorboard") for run in (plain, tracked)]
    one, two = ([(s.step, s.value) for s in each.Scalars("test/accuracy")] for each in found)
    assert one == two
    assert len(one) == 2

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(TensorBoard, "open", fail)
    assert_same_results(plain, start("failing", "tracking=tensorboard"))
    assert [text for text in caplog.messages if "tensorboard failed (disk full)" in text]


def test_a_foreign_folder_is_refused_before_any_training(start, tmp_path):
    (tmp_path / "mine" / "one").mkdir(parents=True)
    (tmp_path / "mine" / "one" / "notes").write_text("")
    with pytest.raises(PolyakError, match="holds notes"):
        start("one", "tracking=tensorboard", "tracking.directory=mine")
    assert not (tmp_path / "trajectories").exists()


def test_a_configuration_names_no_other_code():
    with pytest.raises(ConfigError, match=r"tracking\._target_ = os\.system: allowed: polyak"):
        configured(["tracking._target_=os.system"])


def test_tracking_is_not_inherited_from_a_run(tmp_path):
    (tmp_path / ".hydra").mkdir()
    given = "- seed=3\n- tracking=mlflow\n- tracking.uri=http://elsewhere\n"
    (tmp_path / ".hydra" / "overrides.yaml").write_text(given)
    assert expand(["--again", str(tmp_path)]) == ["seed=3", "name=null", "hydra.mode=RUN"]
