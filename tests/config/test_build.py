"""A job has what a run needs, each made once."""

import functools

from polyak.config.build import build
from polyak.config.compose import configured
from polyak.models.small_cnn import SmallCNN
from polyak.weights import checkpoint


def test_a_run_makes_its_model_three_times(tmp_path, monkeypatch):
    """Without values, to know its size; to be tried and given weights; and to be trained."""
    made, old = [], SmallCNN.__init__

    @functools.wraps(old)
    def counted(self, *args, **options):
        old(self, *args, **options)
        made.append(self.state_dict())

    monkeypatch.setattr(SmallCNN, "__init__", counted)
    given = ["experiment=smoke", "training.threads=1", f"paths.outputs={tmp_path}"]
    job = build(configured(given), in_sweep=False)
    (first,) = job.trajectory.epochs(count=1, device=job.device, keys=job.keys)
    trained = checkpoint.load(next(tmp_path.rglob("epoch_000.safetensors")))
    evaluator = job.evaluator(["test"])
    again = evaluator.scores(evaluator.logits(trained.tensors))
    assert again["test"] == first.scores["test"]
    assert [one["features.0.weight"].is_meta for one in made] == [True, False, False]
