"""Batch norm in a run: what its averages, windows and scores have for statistics, and that the last
checkpoint is compared with the same treatment."""

import json

import pandas as pd
import pytest
import torch

from polyak.__main__ import main
from polyak.averaging.batch_norm import refresh, statistics
from polyak.averaging.mean import mean_of_files
from polyak.averaging.stream import average_files
from polyak.config.finished import FinishedRun
from polyak.data.augmentations.crop_flip import CropFlip
from polyak.data.inputs import Scaling, scale
from polyak.errors import ConfigError
from polyak.evaluation.logits import Inference, logits
from polyak.evaluation.scores import scores
from polyak.models.small_cnn import SmallCNN
from polyak.records.summary import Summary
from polyak.runs.batch_norm import BatchNorm
from polyak.store import paths
from polyak.weights import checkpoint
from tests.small import learnable, make_recipe, overrides

WINDOW = range(1, 4)


def normalised():
    return SmallCNN((3, 8, 8), 10, channels=(4, 8), hidden=16, batch_norm=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, arrays, processes):
    """A trajectory with batch norm, averaged with each treatment of its statistics."""
    outputs = tmp_path_factory.mktemp("batch_norm")
    given = [*overrides(arrays, outputs), "model.batch_norm=true", "optimizer.lr=0.2"]
    given += ["averaging.start=1", "augmentation=crop", "augmentation.pad=1"]
    given += ["dataset.validation=60"]
    found = {}
    for kind in ("refresh", "average", "last"):
        done = processes.run([*given, f"averaging.batch_norm={kind}", f"name={kind}"], outputs)
        assert done.returncode == 0, done.stderr
        found[kind] = outputs / "runs" / kind
    return found


def of_file(path):
    return checkpoint.load(path).tensors


def test_each_treatment_has_its_statistics_and_the_same_weights(runs):
    averages = {kind: of_file(paths.average(run)) for kind, run in runs.items()}
    names = statistics(normalised())
    assert len(names) == 4
    files = [paths.checkpoint(runs["refresh"], epoch) for epoch in WINDOW]
    mean, last = mean_of_files(files).tensors, of_file(files[-1])
    for name in mean:
        if name not in names:
            assert all(torch.equal(average[name], mean[name]) for average in averages.values())
    for name in names:
        assert torch.equal(averages["average"][name], mean[name])
        assert torch.equal(averages["last"][name], last[name])
        assert not torch.equal(averages["refresh"][name], mean[name])


def test_refreshed_statistics_are_those_of_the_averages_own_activations(runs):
    """Against a plain pass over the same batches in float64."""
    run = FinishedRun(runs["refresh"])
    train = run.job.data.train
    model = normalised()
    model.load_state_dict(of_file(paths.average(runs["refresh"])))
    seen = []
    model.features[0].register_forward_hook(lambda _, __, output: seen.append(output.double()))
    list(map(model.eval(), run.job.batch_norm._inputs()))
    values = torch.cat(seen).transpose(0, 1).flatten(1)
    assert values.shape[1] == len(train) * 64
    layer = model.features[1]
    torch.testing.assert_close(layer.running_mean.double(), values.mean(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(layer.running_var.double(), values.var(1), rtol=1e-5, atol=1e-6)
    assert run.job.recipe.augmentation.pad == 1


def test_the_last_checkpoint_is_compared_with_refreshed_statistics_too(runs):
    for kind, directory in runs.items():
        found = Summary.read(directory)
        job = FinishedRun(directory).job
        last = checkpoint.load(paths.checkpoint(directory, WINDOW[-1]))
        model = normalised()
        model.load_state_dict(job.batch_norm.refreshed(last).tensors)
        for split, data in job.data.evaluated.items():
            wanted = scores(logits(model, data.images, Inference()).numpy(), data.labels.numpy())
            assert found.results["last_refreshed"].splits[split].loss == wanted.loss, kind
            saved = of_file(paths.predictions(directory, split, "last_refreshed"))["logits"]
            assert torch.equal(saved, logits(model, data.images, Inference()))
        gain = found.gains["over_last_refreshed"]["test"]
        average, refreshed = (found.results[one] for one in ("average", "last_refreshed"))
        assert gain == average.test.accuracy - refreshed.test.accuracy
        assert refreshed.epoch == WINDOW[-1]
        assert "last checkpoint, statistics refreshed" in (directory / "train.log").read_text()


def test_only_the_refreshed_last_checkpoint_tells_averaging_from_refreshing(train, tmp_path):
    """Of one checkpoint alone, the average is that checkpoint: all that it gains over it as it was
    stored is what refreshing gains, and nothing is what averaging does."""
    done = train(
        *("model.batch_norm=true", "optimizer.lr=0.5", "averaging.start=0", "averaging.end=1"),
        *("averaging.running=false", "name=one"),
    )
    assert done.returncode == 0, done.stderr
    gains = Summary.read(tmp_path / "outputs" / "runs" / "one").gains
    assert gains["over_last_refreshed"]["test"] == 0
    assert abs(gains["over_last"]["test"]) > 0.05


def test_the_treatment_is_part_of_how_it_was_averaged_and_its_time_is_recorded(runs):
    found = {kind: Summary.read(directory) for kind, directory in runs.items()}
    assert found["refresh"].scheme == "uniform"
    assert found["average"].scheme == "uniform, batch norm averaged"
    assert found["last"].scheme == "uniform, batch norm of the last checkpoint"
    assert len({one.fingerprint for one in found.values()}) == 1
    assert all(one.seconds["batch_norm"] > 0 for one in found.values())
    assert all(one.seconds["averaging"] > 0 for one in found.values())


@pytest.mark.parametrize("kind", ["refresh", "average", "last"])
def test_the_running_average_windows_and_score_have_the_same_statistics(runs, kind, tmp_path):
    """Each by its own way to the same numbers."""
    directory = runs[kind]
    summary = Summary.read(directory)
    wanted = summary.results["average"].test
    assert main(["windows", str(directory), "--starts", "1", "--ends", "3:5"]) == 0
    table = pd.read_csv(directory / "windows.csv")
    rows = table[table["split"] == "test"].set_index("end")
    assert rows.loc[4, "loss"] == wanted.loss
    metrics = pd.read_csv(directory / "metrics.csv").set_index("epoch")
    for epoch in (2, 3):
        assert metrics.loc[epoch, "average_test_loss"] == rows.loc[epoch + 1, "loss"]
    out = tmp_path / "scores"
    weights = str(paths.average(directory))
    assert main(["score", weights, "--run", str(directory), "--output", str(out)]) == 0
    found = json.loads((out / "scores.json").read_text())
    assert (found["loss"], found["batch_norm_refreshed"]) == (wanted.loss, False)


def test_score_refreshes_what_the_command_has_averaged(runs, tmp_path, capsys):
    """Files without images have no statistics of their own average; the file says so."""
    directory, out = runs["refresh"], tmp_path / "mean.safetensors"
    files = [str(paths.checkpoint(directory, epoch)) for epoch in WINDOW]
    assert main(["average", str(out), *files]) == 0
    assert "features.1.running_mean" in capsys.readouterr().out
    losses = {}
    for choice in ("auto", "refresh", "keep"):
        to = tmp_path / choice
        command = ["score", str(out), "--run", str(directory), "--output", str(to)]
        assert main([*command, "--batch-norm", choice]) == 0
        losses[choice] = json.loads((to / "scores.json").read_text())["loss"]
    assert "batch norm refreshed on 240 training images" in capsys.readouterr().out
    summaries = {kind: Summary.read(run).results["average"].test.loss for kind, run in runs.items()}
    assert losses["auto"] == losses["refresh"] == summaries["refresh"]
    assert losses["keep"] == summaries["average"]


def test_weights_without_batch_norm_are_not_said_to_need_any(tmp_path):
    path = tmp_path / "one.safetensors"
    checkpoint.save(path, {"weight": torch.ones(3)})
    assert average_files(tmp_path / "out.safetensors", [path]) is None


def test_greedy_selects_with_refreshed_statistics(train, tmp_path):
    """Its selection is that of a plain loop over averages with refreshed statistics."""
    done = train(
        *("model.batch_norm=true", "optimizer.lr=0.2", "averaging.start=0", "name=greedy"),
        *("averaging=greedy", "averaging.running=false", "dataset.validation=60"),
    )
    assert done.returncode == 0, done.stderr
    run = FinishedRun(tmp_path / "outputs" / "runs" / "greedy")
    job, files = run.job, [paths.checkpoint(run.directory, epoch) for epoch in range(4)]
    evaluator = job.evaluator(["validation"])

    def accuracy(state):
        return evaluator.scores(evaluator.logits(state))["validation"].accuracy

    single = [accuracy(of_file(path)) for path in files]
    chosen, best = [], -1.0
    for place in sorted(range(4), key=lambda place: -single[place]):
        trial = sorted([*chosen, place])
        mean = mean_of_files([files[one] for one in trial])
        model = normalised()
        model.load_state_dict(mean.tensors)
        refresh(model, job.batch_norm._inputs())
        if (found := accuracy(model.state_dict())) >= best:
            chosen, best = trial, found
    assert [place for place, weight in enumerate(run.summary.weights) if weight] == chosen


@pytest.fixture
def pixels():
    return torch.from_numpy(learnable(40, seed=0)["images"]).permute(0, 3, 1, 2).contiguous()


def statistics_of(pixels, **options):
    recipe = make_recipe(model=normalised, augmentation=CropFlip(pad=2))
    device = torch.device("cpu")
    torch.manual_seed(0)
    model = normalised()
    made = BatchNorm(model, recipe, pixels, device, **options)
    return made, checkpoint.Checkpoint(model.state_dict())


def test_images_are_drawn_by_the_seed_in_batches_of_equal_sizes(pixels):
    made, _ = statistics_of(pixels, count=33, batch_size=16)
    assert [len(batch) for batch in made._inputs()] == [11, 11, 11]
    seen = torch.cat(made._batches)
    assert len(set(seen.tolist())) == 33
    assert seen.tolist() != sorted(seen.tolist())
    again, weights = statistics_of(pixels, count=33, batch_size=16)
    one, two = made.refreshed(weights).tensors, again.refreshed(weights).tensors
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_augmentation_may_be_left_out(pixels):
    with_it, _ = statistics_of(pixels)
    without, _ = statistics_of(pixels, augment=False)
    order = torch.cat(without._batches)
    assert torch.equal(torch.cat([*without._inputs()]), scale(pixels[order], Scaling()))
    assert not torch.equal(torch.cat([*with_it._inputs()]), torch.cat([*without._inputs()]))


def test_statistics_that_were_tied_stay_tied(pixels):
    def tied():
        model = normalised()
        model.again = model.features[1]
        return model

    model = tied()
    made = BatchNorm(model, make_recipe(model=tied), pixels, torch.device("cpu"))
    state = model.state_dict()
    found = made.refreshed(checkpoint.Checkpoint(state, checkpoint.ties(state)))
    assert found.tensors["again.running_mean"] is found.tensors["features.1.running_mean"]


def test_batches_too_small_for_the_model_are_refused_before_training(pixels):
    def flat():
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(192))

    def made(**options):
        return BatchNorm(flat(), make_recipe(model=flat), pixels, torch.device("cpu"), **options)

    made(batch_size=2).check()
    for options in ({"batch_size": 1}, {"count": 1}):
        with pytest.raises(ConfigError, match="batches of 1 images are too small for the model"):
            made(**options).check()


def test_where_statistics_are_not_computed_small_batches_are_said_and_no_more(pixels, caplog):
    def flat():
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(192))

    recipe = make_recipe(model=flat)
    made = BatchNorm(flat(), recipe, pixels, torch.device("cpu"), mode="average", batch_size=1)
    made.check()
    assert not made.can_refresh
    assert "no statistics for the last checkpoint" in caplog.text


def test_a_file_of_one_checkpoint_keeps_its_statistics(runs, tmp_path, capsys):
    out = tmp_path / "one.safetensors"
    assert main(["average", str(out), str(paths.checkpoint(runs["refresh"], 3))]) == 0
    assert "anew" not in capsys.readouterr().out
    assert "batch_norm" not in checkpoint.load(out).metadata


def test_without_batch_norm_every_treatment_gives_the_same_run(train):
    outputs = []
    for kind in ("refresh", "average"):
        done = train(f"averaging.batch_norm={kind}", f"name={kind}")
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert "refreshed" not in outputs[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["averaging.refresh.images=301"], "averaging.refresh.images = 301: allowed: at most"),
        (["averaging.batch_norm=other"], "averaging.batch_norm = other: allowed: 'refresh', "),
    ],
)
def test_what_cannot_work_is_refused(train, given, message):
    done = train("model.batch_norm=true", *given)
    assert done.returncode == 1
    assert message in done.stderr
