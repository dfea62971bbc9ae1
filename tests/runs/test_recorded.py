"""Runs that average what was recorded between epochs' ends, from the command to their files."""

import csv
import json

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from polyak.averaging.mean import mean_of_files, mean_of_states
from polyak.averaging.schemes.ema import Ema
from polyak.averaging.schemes.uniform import Uniform
from polyak.config.build import build
from polyak.config.compose import configured
from polyak.config.finished import FinishedRun
from polyak.errors import ConfigError
from polyak.records.summary import Summary
from polyak.runs.recorded import RecordedWindow
from polyak.store import paths
from polyak.store.recording import Recording
from polyak.training.trainer import Trainer
from polyak.weights import checkpoint
from tests.results import summary_of
from tests.small import overrides

STEPS = 10
"""Of an epoch: 300 images in batches of 32."""
EPOCHS = 4
COMMANDS = {
    "plain": ("averaging.start=2",),
    "steps": ("recording=means", "recording.every=0.2", "averaging.of=steps", "averaging.start=2"),
    "half": ("recording=means", "recording.every=0.2", "averaging.of=steps", "averaging.start=0.6"),
    "lawa": ("recording.every=3", "averaging=latest", "averaging.scheme.k=4", "averaging.start=1"),
    "ema": (
        *("recording=means", "recording.every=2", "averaging=ema", "averaging.start=1"),
        *("averaging.scheme.half_life=6", "model.batch_norm=true"),
    ),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, arrays, processes):
    outputs = tmp_path_factory.mktemp("recorded")
    for name, command in COMMANDS.items():
        done = processes.run([*overrides(arrays, outputs), *command, f"name={name}"], outputs)
        assert done.returncode == 0, done.stderr
    return outputs / "runs"


def every_step(run):
    """The weights after each step, trained again in memory, and the model."""
    job = FinishedRun(run).job
    trainer, found = Trainer.begin(job.recipe, job.data.train.images, job.data.train.labels), []
    for epoch in range(EPOCHS):
        for _ in trainer.steps(epoch):
            state = trainer.model.state_dict()
            found.append({name: tensor.clone() for name, tensor in state.items()})
    return found


def average_of(run):
    return checkpoint.load(paths.average(run))


def test_the_average_over_steps_is_that_of_the_weights_after_each(runs):
    steps = every_step(runs / "steps")
    found, wanted = average_of(runs / "steps").tensors, mean_of_states(steps[2 * STEPS :])
    for name, tensor in found.items():
        # Each step mean is rounded once, and so is theirs: half a spacing of float32 each, at
        # the size of the largest of the weights, as their mean may lie near zero.
        largest = torch.stack([step[name] for step in steps[2 * STEPS :]]).abs().amax(0)
        assert ((tensor - wanted[name]).abs() <= torch.finfo(torch.float32).eps * largest).all()
    run = summary_of(runs / "steps")
    assert run["window"] == {
        **{"start": 2, "end": 4, "stride": 1, "count": 10},
        "recording": "5_per_epoch",
    }
    assert run["weights"] == [2] * 10
    assert run["scheme"] == "uniform over steps"
    assert type(run["window"]["start"]) is int


def test_recording_leaves_the_trajectory_and_all_results_of_epochs_as_they_were(runs):
    plain, steps = (summary_of(runs / name) for name in ("plain", "steps"))
    assert plain["fingerprint"] == steps["fingerprint"]
    assert (plain["trajectory"], steps["trajectory"]) == ("trained", "reused")
    same = ("last", "best_by_test_oracle", "window_mean", "ensemble")
    assert [plain["results"][name] for name in same] == [steps["results"][name] for name in same]
    assert plain["results"]["average"] != steps["results"]["average"]
    assert set(plain["window"]) == {"start", "end", "stride", "count"}
    assert not (runs / "plain" / "recordings").exists()


def test_a_run_has_links_to_what_it_averages_and_to_no_more(runs):
    run = runs / "steps"
    names = [path.name for path in sorted((run / "recordings" / "5_per_epoch").iterdir())]
    assert names == [paths.record("mean", step) for step in range(22, 41, 2)]
    store = runs.parent / "trajectories" / summary_of(run)["fingerprint"]
    for name in names:
        there = paths.recordings(store, "5_per_epoch") / name
        assert (paths.recordings(run, "5_per_epoch") / name).samefile(there)


def test_a_window_may_start_within_an_epoch(runs):
    run = runs / "half"
    window = summary_of(run)["window"]
    assert (window["start"], window["end"], window["count"]) == (0.6, 4, 17)
    assert Summary.read(run).window.epochs == range(4)
    assert average_of(run).metadata["window"] == [0.6, 4]
    wanted = mean_of_states(every_step(run)[6:])
    assert all(
        torch.allclose(average_of(run).tensors[name], wanted[name], rtol=2e-7, atol=1e-7)
        for name in wanted
    )
    rows = list(csv.DictReader((run / "metrics.csv").open()))  # averaging.running=true
    assert [row["average_count"] for row in rows] == ["2", "7", "12", "17"]
    assert "epochs 0.6..3 (uniform over steps)" in (run / "train.log").read_text()


def test_lawa_is_the_mean_of_the_last_k_checkpoints_of_every_n_steps(runs):
    run = runs / "lawa"
    steps = every_step(run)
    last = [steps[done - 1] for done in (33, 36, 39, 40)]  # an epoch's end is a checkpoint too
    wanted = mean_of_states(last)
    assert all(torch.equal(average_of(run).tensors[name], wanted[name]) for name in wanted)
    said = summary_of(run)
    assert said["weights"] == [0] * 8 + [1] * 4
    assert said["scheme"] == "latest, k 4, checkpoints every 3 steps"
    linked = {path.name for path in (run / "recordings" / "every_3_steps").iterdir()}
    assert linked == {paths.record("step", e * STEPS + s) for e in (1, 2, 3) for s in (3, 6, 9)}


def test_the_ema_is_made_of_means_and_its_statistics_are_refreshed(runs):
    run = runs / "ema"
    job = FinishedRun(run).job
    recorded = RecordedWindow.of(Recording(every=2, means=True), 1, 4, STEPS, means=True)
    mean = mean_of_files(recorded.files(run), Ema(half_life=6).over_steps(recorded.intervals))
    wanted = job.batch_norm.refreshed(mean).tensors
    assert all(torch.equal(average_of(run).tensors[name], wanted[name]) for name in wanted)
    assert summary_of(run)["scheme"] == "ema over steps, half-life 6 steps, means every 2 steps"
    said = "means over up to 2 steps: from one that is updated after every step it differs by at"
    assert f"{said} most 5.8 % of how far the weights are" in (run / "train.log").read_text()


class Weights(torch.nn.Module):
    """All floating tensors of a state dict as one parameter, in float64."""

    def __init__(self, state):
        super().__init__()
        self.all = torch.nn.Parameter(flat(state))


def flat(state):
    parts = [one.double().flatten() for one in state.values() if one.is_floating_point()]
    return torch.cat(parts)


def live_ema(steps, decay):
    """swa_utils' recursion, which begins with the first weights, brought to one that begins with
    nothing, over its total weight."""
    live = AveragedModel(Weights(steps[0]), multi_avg_fn=get_ema_multi_avg_fn(decay))
    for state in steps:
        live.update_parameters(Weights(state))
    first = decay ** len(steps)
    return (live.module.all.detach() - first * flat(steps[0])) / (1 - first)


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize("decay", [0.8, 0.9, 0.97])
@pytest.mark.parametrize("start", [0, 1])
def test_an_ema_afterwards_is_within_its_bound_of_one_run_live(runs, every, decay, start):
    steps, scheme = every_step(runs / "steps")[start * STEPS :], Ema(decay=decay)
    intervals = RecordedWindow.of(
        Recording(every=every, means=True), start, EPOCHS, STEPS, means=True
    ).intervals
    places = [range(one.start - start * STEPS, one.stop - start * STEPS) for one in intervals.steps]
    means = [mean_of_states([steps[place] for place in one]) for one in places]
    found = flat(mean_of_states(means, scheme.over_steps(intervals)))
    live = live_ema(steps, decay)
    radius = max(
        torch.stack([(flat(steps[place]) - flat(mean)).norm() for place in one]).max()
        for one, mean in zip(places, means, strict=True)
    )
    error, rounding = (found - live).norm(), 2e-7 * live.norm()
    assert error <= scheme.deviation(every) * radius + rounding
    if every > 1:  # the bound is no wild guess
        assert error >= 0.01 * scheme.deviation(every) * radius
    # What is asked for: little beside what the average does.
    assert error <= 0.5 * scheme.deviation(every) * (live - flat(steps[-1])).norm() + rounding


def test_any_decay_from_the_same_steps_is_the_uniform_mean_in_the_limit(runs):
    intervals = RecordedWindow.of(Recording(means=True), 0, 4, STEPS, means=True).intervals
    near = Ema(decay=1 - 1e-12).over_steps(intervals)
    weights = Uniform().over_steps(intervals)
    assert [one / near[0] for one in near] == pytest.approx([one / weights[0] for one in weights])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ("recording=means", "averaging.of=steps", "averaging.start=0.55"),
            r"averaging\.start = 0\.55: inside an interval .* allowed: 0\.5 or 0\.6, or another",
        ),
        (
            ("recording=means", "averaging=ema", "averaging.scheme.half_life=21"),
            r"averaging\.scheme\.half_life = 21: a half-life of 21 steps is longer than the window",
        ),
        (
            ("averaging=greedy", "recording.every=0.5", "dataset.validation=60"),
            r"averaging\.scheme\._target_: greedy weights epochs' checkpoints alone; allowed",
        ),
        (
            ("averaging=explicit", "recording.every=0.5", "averaging.scheme.values=[0.5,0.5]"),
            r"averaging\.scheme\.values: 2 weights; allowed: 4, one per",
        ),
    ],
)
def test_what_does_not_fit_the_recording_is_refused_before_training(
    arrays, tmp_path, more, message
):
    given = [*overrides(arrays, tmp_path), "averaging.running=false", *more]
    config = configured(given)
    with pytest.raises(ConfigError, match=message):
        build(config, in_sweep=False)
    assert not (tmp_path / "trajectories").exists()


def test_a_finished_run_is_averaged_over_steps_again(runs, arrays, processes):
    given = ["--again", str(runs / "plain"), "averaging.of=steps", "name=again"]
    refused = processes.run(given, runs.parent)
    assert refused.returncode == 1
    assert "by --again RUN recording=means" in refused.stderr
    done = processes.run([*given, "recording=means", "recording.every=0.2"], runs.parent)
    assert done.returncode == 0, done.stderr
    again, steps = (
        json.loads((runs / name / "summary.json").read_text()) for name in ("again", "steps")
    )
    assert again["results"]["average"] == steps["results"]["average"]
    assert again["trajectory"] == "reused"
