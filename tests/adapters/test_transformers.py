"""Hugging Face's own Trainer, with the recorder in it, on a Llama of a few thousand weights."""

import json

import pytest
import torch

from polyak.averaging.mean import mean_of_states
from polyak.errors import ConfigError
from polyak.recorder.averaged import averaged
from polyak.store import paths
from polyak.store.manifest import Manifest
from polyak.weights import checkpoint
from tests.adapters.recipes import recipe

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments  # noqa: E402

from polyak.adapters.transformers import RecordEpochs  # noqa: E402

STEPS, EPOCHS = 4, 3
SETTINGS = {"seed": 0, "lr": 0.01}


class After(transformers.TrainerCallback):
    """The weights after each step of the optimizer."""

    def __init__(self):
        self.states = []

    def on_step_end(self, args, state, control, model, **_):
        self.states.append(copied(model))


def copied(model):
    return {name: one.detach().clone() for name, one in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def tokens(count=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, 32, (count, 6), generator=generator)
    return [{"input_ids": row, "labels": row} for row in rows]


def trainer_of(folder, callbacks=(), resume=None, **options):
    model = llama()
    values = {
        "output_dir": str(folder / "trained"),
        "num_train_epochs": EPOCHS,
        "per_device_train_batch_size": 4,
        "learning_rate": 0.01,
        "report_to": [],
        "save_strategy": "no",
        "use_cpu": True,
        "disable_tqdm": True,
    }
    arguments = TrainingArguments(**{**values, **options})
    after = After()
    trainer = Trainer(
        model,
        arguments,
        train_dataset=tokens(),
        eval_dataset={"near": tokens(4, 1), "far": tokens(4, 2)},
        callbacks=[*callbacks, after],
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer, after.states


def llama():
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "vocab_size": 32}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    return LlamaForCausalLM(LlamaConfig(tie_word_embeddings=True, **sizes, **heads))


def weights_of(directory, epoch):
    return checkpoint.load(paths.checkpoint(directory, epoch)).tensors


def epochs_of(directory):
    return Manifest.open(directory).values["epochs"]


@pytest.mark.parametrize(
    "strategy", [{"eval_strategy": "epoch"}, {"eval_strategy": "steps", "eval_steps": 2}]
)
def test_every_epoch_is_recorded_and_nothing_is_changed(tmp_path, strategy):
    plain, _ = trainer_of(tmp_path, **strategy)
    recording = RecordEpochs(tmp_path / "run", settings=SETTINGS, every=3, means=True)
    trainer, after = trainer_of(tmp_path, [recording], **strategy)
    assert same(copied(plain.model), copied(trainer.model))
    assert len(after) == EPOCHS * STEPS
    said = epochs_of(tmp_path / "run")
    losses = [one for one in trainer.state.log_history if "eval_near_loss" in one]
    for epoch in range(EPOCHS):
        assert same(weights_of(tmp_path / "run", epoch), after[(epoch + 1) * STEPS - 1])
        steps = (epoch + 1) * STEPS
        logged = next(one["eval_near_loss"] for one in losses if one["step"] == steps)
        assert said[epoch]["metrics"]["validation"].keys() == {"near_loss", "far_loss"}
        assert said[epoch]["metrics"]["validation"]["near_loss"] == logged
        assert said[epoch]["lr"] == pytest.approx(0.01 * (1 - (steps - 1) / (EPOCHS * STEPS)))
    folder = paths.recordings(tmp_path / "run", "every_3_steps")
    mean = checkpoint.load(folder / paths.record("mean", STEPS + 3)).tensors
    assert same(mean, mean_of_states(after[STEPS : STEPS + 3]))


def test_accumulated_gradients_are_one_step(tmp_path):
    recording = RecordEpochs(tmp_path / "run", settings=SETTINGS, means=True)
    _, after = trainer_of(tmp_path, [recording], gradient_accumulation_steps=3)
    assert len(after) == EPOCHS * 2
    folder = paths.recordings(tmp_path / "run", "1_per_epoch")
    assert same(
        checkpoint.load(folder / paths.record("mean", 4)).tensors, mean_of_states(after[2:4])
    )


def test_a_resumed_training_leaves_the_same_weights(tmp_path):
    saved = {"save_strategy": "steps", "save_steps": 2}
    _, after = trainer_of(tmp_path, [RecordEpochs(tmp_path / "run", settings=SETTINGS)], **saved)
    for step in (2 * STEPS, STEPS + 2):  # at an epoch's end, and in the midst of one
        recording = RecordEpochs(tmp_path / "run", settings=SETTINGS)
        resumed = str(tmp_path / "trained" / f"checkpoint-{step}")
        _, again = trainer_of(tmp_path, [recording], resumed, **saved)
        assert len(again) == EPOCHS * STEPS - step
        assert len(epochs_of(tmp_path / "run")) == EPOCHS
        for epoch in range(EPOCHS):
            assert same(weights_of(tmp_path / "run", epoch), after[(epoch + 1) * STEPS - 1])


def test_the_last_epochs_weights_are_its_own_where_the_best_are_loaded(tmp_path):
    best = {
        **{"load_best_model_at_end": True, "metric_for_best_model": "eval_near_loss"},
        **{"eval_strategy": "epoch", "save_strategy": "epoch", "greater_is_better": False},
    }
    trainer, after = trainer_of(
        tmp_path, [RecordEpochs(tmp_path / "run", settings=SETTINGS)], **best
    )
    assert not same(copied(trainer.model), after[-1])
    assert same(weights_of(tmp_path / "run", EPOCHS - 1), after[-1])
    state = tmp_path / "trained" / f"checkpoint-{STEPS}" / "trainer_state.json"
    assert "polyak.RecordEpochs" in json.loads(state.read_text())["stateful_callbacks"]


def test_an_epoch_that_ends_early_is_not_recorded(tmp_path, caplog):
    recording = RecordEpochs(tmp_path / "run", settings=SETTINGS, means=True)
    trainer, _ = trainer_of(tmp_path, [recording], max_steps=STEPS + 1, eval_strategy="epoch")
    (said,) = epochs_of(tmp_path / "run")
    losses = [one.get("eval_near_loss") for one in trainer.state.log_history]
    assert said["metrics"]["validation"]["near_loss"] == next(filter(None, losses))
    assert "epoch 1 ended early" in caplog.text


def test_weights_that_the_trainer_spreads_are_refused(tmp_path):
    recording = RecordEpochs(tmp_path / "run", settings=SETTINGS)
    state, control = transformers.TrainerState(), transformers.TrainerControl()
    arguments = TrainingArguments(str(tmp_path / "trained"), fsdp="full_shard", use_cpu=True)
    given = {"model": llama(), "train_dataloader": [], "optimizer": None}
    with pytest.raises(ConfigError, match="fsdp: spreads the weights over ranks; allowed"):
        recording.on_train_begin(arguments, state, control, **given)
    assert not (tmp_path / "run").exists()


def test_the_average_is_evaluated_and_then_the_model_is_as_before(tmp_path):
    trainer, after = trainer_of(tmp_path, [RecordEpochs(tmp_path / "run", settings=SETTINGS)])
    plain = trainer.evaluate()
    with averaged(trainer.model, tmp_path / "run", start=1):
        assert same(copied(trainer.model), mean_of_states([after[7], after[11]]))
        assert trainer.evaluate()["eval_near_loss"] != plain["eval_near_loss"]
    assert same(copied(trainer.model), after[-1])
    assert [one["metrics"] for one in epochs_of(tmp_path / "run")] == [{}] * EPOCHS


def test_the_recipe_works_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, rows = llama(), tokens()
    exec(recipe("Hugging Face"), {"model": model, "train_set": rows, "validation_set": rows})
    run = tmp_path / "outputs" / "recorded" / "my_run"
    assert same(copied(model), weights_of(run, 3))
    expected = mean_of_states([weights_of(run, epoch) for epoch in (2, 3)])
    assert same(copied(LlamaForCausalLM.from_pretrained("average")), expected)
