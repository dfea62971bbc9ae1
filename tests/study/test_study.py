"""A recorded training, opened: averages, windows, widths, by a function of somebody's own."""

import shutil
from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import polyak
from polyak.averaging.mean import mean_of_files
from polyak.errors import ConfigError, EvaluationError, StoreError
from polyak.maps.windows import selected
from polyak.records import windows as records
from polyak.store import paths
from polyak.weights import checkpoint

EPOCHS, STEPS = 4, 4
GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(60, 4, generator=GENERATOR)
LABELS = (INPUTS @ torch.randn(4, 3, generator=GENERATOR)).argmax(dim=1)
SPLITS = {"validation": slice(0, 30), "test": slice(30, 60)}


def made(norm=False, seed=0):
    torch.manual_seed(seed)
    middle = [nn.BatchNorm1d(8)] if norm else []
    return nn.Sequential(nn.Linear(4, 8), *middle, nn.ReLU(), nn.Linear(8, 3))


def record(directory, *, norm=False, lr=0.5, seed=0, **options):
    """Somebody's loop."""
    model = made(norm, seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    settings = {"lr": lr, "seed": seed, "dataset": "random", "optimizer": "sgd"}
    with polyak.Recorder(directory, model, settings=settings, **options) as recorder:
        for _ in range(EPOCHS):
            for _ in range(STEPS):
                chosen = torch.randint(60, (16,))
                loss = nn.functional.cross_entropy(model(INPUTS[chosen]), LABELS[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                recorder.step()
            recorder.epoch()
    return directory


def logits_of(state, norm=False):
    model = made(norm)
    model.load_state_dict(state)
    return model.eval()(INPUTS).detach()


def evaluate(state):
    with torch.random.fork_rng():
        logits = logits_of(state, norm=any("running" in name for name in state))
    return {name: (logits[part], LABELS[part]) for name, part in SPLITS.items()}


def metrics(state):
    """As others' code gives them."""
    found = {}
    for name, (logits, labels) in evaluate(state).items():
        loss = float(nn.functional.cross_entropy(logits.double(), labels))
        accuracy = float((logits.argmax(dim=1) == labels).float().mean())
        found[name] = {"loss": loss, "accuracy": accuracy, "error": 1 - accuracy}
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    record(folder / "plain", means=True, every=2, steps_per_epoch=STEPS)
    record(folder / "norm", norm=True)
    return folder


@pytest.fixture
def plain(recorded, tmp_path):
    return copied(recorded / "plain", tmp_path / "plain")


@pytest.fixture
def norm(recorded, tmp_path):
    return copied(recorded / "norm", tmp_path / "norm")


def copied(source, target):
    shutil.copytree(source, target)
    return target


def test_an_average_is_the_mean_of_its_files_and_scored_by_the_function(plain, tmp_path):
    study = polyak.open(plain, evaluate)
    average = study.average(start=1)
    mean = mean_of_files([paths.checkpoint(plain, epoch) for epoch in range(1, EPOCHS)])
    assert checkpoint.digest(average.state_dict) == checkpoint.digest(mean.tensors)
    accuracy = (logits_of(mean.tensors)[30:].argmax(dim=1) == LABELS[30:]).float().mean()
    assert average.scores["test"]["accuracy"] == pytest.approx(float(accuracy))
    assert list(average.scores["test"]) == ["loss", "accuracy", "calibration_error"]
    assert average.weights == [1, 1, 1]
    path = average.save(tmp_path / "average.safetensors")
    assert checkpoint.digest(checkpoint.load(path).tensors) == checkpoint.digest(mean.tensors)


def test_every_window_is_evaluated_once_and_the_table_goes_on(plain):
    calls = []

    def counted(state):
        calls.append(1)
        return evaluate(state)

    table = polyak.open(plain, counted).windows(starts=[0, 2], ends=[3, 4])
    assert isinstance(table, pd.DataFrame)
    assert len(table) == 2 * 4
    assert len(calls) == 1 + 4
    assert len(polyak.open(plain, counted).windows()) == 2 * 10
    assert len(calls) == 1 + 4 + 1 + 6
    rows = records.TABLE.read(plain / "windows.csv")
    start, end = astuple(selected(rows))[:2]
    assert table["accuracy"].max() <= max(row.accuracy for row in rows)
    assert 0 <= start < end <= EPOCHS


def test_metrics_give_the_same_table_as_logits(plain, recorded, tmp_path):
    by_logits = polyak.open(plain, evaluate).windows(starts=[1])
    other = copied(recorded / "plain", tmp_path / "other")
    by_metrics = polyak.open(other, metrics).windows(starts=[1])
    columns = ["start", "end", "split", "accuracy", "loss"]
    pd.testing.assert_frame_equal(by_logits[columns], by_metrics[columns], rtol=1e-5)


def test_another_metric_is_selected_by_in_its_direction(plain):
    metric = polyak.Metric("error", higher=False)
    study = polyak.open(plain, metrics, metric=metric)
    table = study.windows()
    assert list(table.columns)[-2:] == ["metric", "value"]
    rows = records.table_of("error").read(plain / "windows.csv")
    start, end = astuple(selected(rows, metric))[:2]
    best = table[table["split"] == "validation"]["value"].min()
    chosen = table[(table["start"] == start) & (table["end"] == end)]
    assert chosen[chosen["split"] == "validation"]["value"].item() == best
    with pytest.raises(ConfigError, match=r"metric = 'error': allowed: .*polyak\.Metric"):
        polyak.open(plain, metrics, metric="error")
    with pytest.raises(EvaluationError, match="metrics returned no f1 of validation"):
        polyak.open(plain, metrics, metric=polyak.Metric("f1", higher=True))


def test_widths_and_steps(plain):
    study = polyak.open(plain, evaluate)
    table = study.widths([0.25, 1.0])
    assert set(table["kind"]) == {"uniform", "ema"}
    whole = study.average(of="steps")
    of_table = table[(table["share"] == 1) & (table["split"] == "test")]["loss"]
    assert of_table.item() == pytest.approx(whole.scores["test"]["loss"], rel=1e-6)
    ema = study.average(start=1, scheme="ema", half_life=3, of="steps")
    assert len(ema.weights) == 6
    assert ema.weights == sorted(ema.weights)


def test_running_statistics_are_those_of_the_average(norm):
    with pytest.raises(ConfigError, match=r"1\.running_mean.*allowed: refresh=.*batch_norm="):
        polyak.open(norm, evaluate)
    model = made(norm=True)
    before = checkpoint.digest(model.state_dict())
    batches = [INPUTS[:30], INPUTS[30:]]
    study = polyak.open(norm, evaluate, refresh=batches, model=model)
    average = study.average(start=2).state_dict
    with torch.no_grad():
        hidden = nn.functional.linear(INPUTS, average["0.weight"], average["0.bias"])
    torch.testing.assert_close(average["1.running_mean"], hidden.mean(dim=0))
    assert checkpoint.digest(model.state_dict()) == before
    last = polyak.open(norm, evaluate, batch_norm="last").average(start=2).state_dict
    of_last = checkpoint.load(paths.checkpoint(norm, EPOCHS - 1)).tensors
    assert torch.equal(last["1.running_var"], of_last["1.running_var"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"refresh": [INPUTS]}, "refresh: needs the model too"),
        ({"refresh": iter([INPUTS]), "model": made(norm=True)}, "can be gone through once"),
        ({"batch_norm": "never"}, "batch_norm = 'never': allowed: refresh, average, last"),
    ],
)
def test_what_refreshes_that_can_not(norm, options, said):
    with pytest.raises(ConfigError, match=said):
        polyak.open(norm, evaluate, **options)


def test_batches_with_labels_are_refused_with_the_reason(norm):
    study = polyak.open(norm, evaluate, refresh=[(INPUTS, LABELS)], model=made(norm=True))
    with pytest.raises(ConfigError, match=r"refresh: batch 0 is a tuple; .*without labels"):
        study.average()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start": 4}, r"start = 4: allowed: from 0, below end = 4"),
        ({"end": 9}, "end = 9: allowed: from 1 to 4"),
        ({"start": 0.5}, "start = 0.5: allowed: a whole number"),
        ({"of": "weeks"}, "of = 'weeks': allowed"),
        ({"scheme": "mine"}, "scheme = mine: allowed: ema, explicit"),
        ({"scheme": "exponential", "decay": 2}, "scheme = exponential: decay = 2"),
        ({"scheme": "exponential", "rate": 2}, "rate = 2: there is no such key"),
        ({"scheme": "ema", "half_life": 2}, "ema weights steps; allowed: of="),
        ({"scheme": "explicit", "values": [1.0]}, "values: 1 weights; allowed: 4"),
    ],
)
def test_averages_that_can_not_be(plain, options, said):
    with pytest.raises(ConfigError, match=said):
        polyak.open(plain, evaluate).average(**options)


def test_a_greedy_average_chooses_on_validation(plain):
    study = polyak.open(plain, evaluate)
    found = study.average(scheme="greedy")
    alone = [study.average(start=e, end=e + 1).scores["validation"]["accuracy"] for e in range(4)]
    assert found.scores["validation"]["accuracy"] >= max(alone)
    with pytest.raises(ConfigError, match="greedy: chooses on validation"):
        polyak.open(plain, lambda state: {"test": evaluate(state)["test"]}).average(scheme="greedy")


def test_directories_that_are_no_recordings(tmp_path, plain):
    with pytest.raises(StoreError, match=r"has no trajectory\.json; allowed"):
        polyak.open(tmp_path / "nothing", evaluate)
    with (
        polyak.Recorder(tmp_path / "run", made(), settings={}),
        pytest.raises(StoreError, match="a recorder is at work here"),
    ):
        polyak.open(tmp_path / "run", evaluate)
    with pytest.raises(StoreError, match="has no epoch yet"):
        polyak.open(tmp_path / "run", evaluate)


def test_a_changed_checkpoint_is_not_averaged(plain):
    study = polyak.open(plain, evaluate)
    path = paths.checkpoint(plain, 2)
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"epoch_002\.safetensors: is missing, or not as"):
        study.average()
    assert np.isfinite(study.average(end=2).scores["test"]["loss"])


def test_tables_of_epochs_that_were_recorded_anew_are_refused(tmp_path):
    options = {"means": True, "every": 2, "steps_per_epoch": STEPS}
    directory = record(tmp_path / "run", **options)
    study = polyak.open(directory, evaluate)
    study.windows(starts=[1], ends=[3])
    study.widths([1.0])
    model = made()
    model.load_state_dict(checkpoint.load(paths.checkpoint(directory, EPOCHS - 1)).tensors)
    settings = {"lr": 0.5, "seed": 0, "dataset": "random", "optimizer": "sgd"}
    with polyak.Recorder(directory, model, settings=settings, **options) as recorder:
        for _ in range(STEPS):
            recorder.step()
        recorder.epoch()
    assert len(study.windows(starts=[1], ends=[3, 5])) == 2 * 2
    with pytest.raises(StoreError, match=r"widths\.csv: has averages that end with epoch 3, .* 5 "):
        study.widths([1.0])
    model = made()
    with polyak.Recorder(directory, model, settings=settings, restart=True, **options) as recorder:
        for _ in range(STEPS):
            recorder.step()
        recorder.epoch()
    with pytest.raises(StoreError, match=r"windows\.csv: is of other weights: epochs were"):
        study.windows()
