"""Lightning's own trainer, with the recorder in it."""

import importlib
import math
import sys

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from polyak.averaging.mean import mean_of_files, mean_of_states
from polyak.errors import ConfigError
from polyak.store import paths
from polyak.store.manifest import Manifest
from polyak.weights import checkpoint
from tests.adapters.recipes import recipe

pl = pytest.importorskip("lightning.pytorch")
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging  # noqa: E402
from lightning.pytorch.strategies import SingleDeviceStrategy  # noqa: E402

from polyak.adapters.at_end import AtEnd  # noqa: E402
from polyak.adapters.lightning import RecordEpochs  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

BATCHES, EPOCHS = 5, 3
SETTINGS = {"seed": 0, "lr": 0.1}


class Module(pl.LightningModule):
    def __init__(self, norm=False):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.2), nn.Linear(6, 3))
        if norm:
            self.net.insert(1, nn.BatchNorm1d(6))
        self.after = []

    def forward(self, inputs):
        return self.net(inputs)

    def training_step(self, batch, _):
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, _):
        logits = self(batch[0])
        self.log("val_loss", nn.functional.cross_entropy(logits, batch[1]))
        self.log("val/Top-1", (logits.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)]

    def optimizer_step(self, *given, **named):
        super().optimizer_step(*given, **named)
        self.after.append(copied(self))


def copied(model):
    return {name: one.detach().clone() for name, one in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def data(batches=BATCHES):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(8 * batches, 4, generator=generator)
    return TensorDataset(inputs, inputs[:, :3].argmax(1))


def fit(callbacks, folder, epochs=EPOCHS, norm=False, ckpt_path=None, **options):
    torch.manual_seed(0)
    module = Module(norm)
    shown = {f"enable_{one}": False for one in ("progress_bar", "model_summary")}
    trainer = pl.Trainer(
        max_epochs=epochs,
        callbacks=callbacks,
        logger=False,
        accelerator="cpu",
        default_root_dir=folder,
        enable_checkpointing=any(isinstance(one, ModelCheckpoint) for one in callbacks),
        **shown,
        **options,
    )
    loader = DataLoader(data(), batch_size=8, shuffle=True)
    trainer.fit(module, loader, DataLoader(data(), batch_size=20), ckpt_path=ckpt_path)
    return trainer, module


def weights_of(directory, epoch):
    return checkpoint.load(paths.checkpoint(directory, epoch)).tensors


def test_every_epoch_is_recorded_and_nothing_is_changed(tmp_path):
    _, plain = fit([], tmp_path)
    rng = torch.random.get_rng_state()
    trainer, module = fit(
        [RecordEpochs(tmp_path / "run", settings=SETTINGS, every=2, means=True)], tmp_path
    )
    assert same(copied(plain), copied(module))
    assert torch.equal(rng, torch.random.get_rng_state())
    manifest = Manifest.open(tmp_path / "run")
    assert manifest.trained == EPOCHS
    for epoch, said in enumerate(manifest.values["epochs"]):
        assert same(weights_of(tmp_path / "run", epoch), module.after[(epoch + 1) * BATCHES - 1])
        assert said["lr"] == 0.1 * 0.5**epoch
        assert said["metrics"].keys() == {"train", "validation"}
        assert said["metrics"]["validation"].keys() == {"loss", "top_1"}
    last = manifest.values["epochs"][-1]["metrics"]
    assert last["train"] == {"loss": float(trainer.callback_metrics["train_loss_epoch"])}
    assert last["validation"]["loss"] == float(trainer.callback_metrics["val_loss"])
    mean = paths.recordings(tmp_path / "run", "every_2_steps") / paths.record("mean", 4)
    assert same(checkpoint.load(mean).tensors, mean_of_states(module.after[2:4]))


def test_accumulated_gradients_are_one_step(tmp_path):
    recording = RecordEpochs(tmp_path / "run", settings=SETTINGS, means=True)
    trainer, module = fit([recording], tmp_path, accumulate_grad_batches=2)
    steps = math.ceil(BATCHES / 2)
    assert (trainer.global_step, len(module.after)) == (EPOCHS * steps, EPOCHS * steps)
    folder = paths.recordings(tmp_path / "run", "1_per_epoch")
    found = checkpoint.load(folder / paths.record("mean", 2 * steps)).tensors
    assert same(found, mean_of_states(module.after[steps : 2 * steps]))


@pytest.mark.parametrize(
    "saved",
    [
        {"every_n_epochs": 1, "save_on_train_epoch_end": True},  # after the epoch is recorded
        {"every_n_epochs": 1, "save_on_train_epoch_end": False},  # before
        {"every_n_train_steps": 7},  # inside of the epoch 1
    ],
)
def test_it_goes_on_where_a_checkpoint_does(tmp_path, saved):
    keep = ModelCheckpoint(tmp_path / "saved", save_top_k=-1, filename="{step}", **saved)
    recording = RecordEpochs(tmp_path / "run", settings=SETTINGS)
    fit([recording, keep], tmp_path, epochs=2)
    assert Manifest.open(tmp_path / "run").trained == 2
    inside = "every_n_train_steps" in saved
    ckpt = tmp_path / "saved" / f"step={7 if inside else 5}.ckpt"
    recording = RecordEpochs(tmp_path / "run", settings=SETTINGS)
    _, module = fit([recording], tmp_path, ckpt_path=ckpt)
    manifest = Manifest.open(tmp_path / "run")
    assert manifest.trained == EPOCHS
    assert [one["lr"] for one in manifest.values["epochs"]] == [0.1, 0.05, 0.025]
    for back in range(2):
        state = module.after[-1 - BATCHES * back]
        assert same(weights_of(tmp_path / "run", EPOCHS - 1 - back), state)


def test_the_average_is_that_of_lightnings_own_callback(tmp_path):
    class FromEpoch(WeightAveraging):
        def should_update(self, step_idx=None, epoch_idx=None):
            return epoch_idx is not None and epoch_idx >= 1

    _, theirs = fit([FromEpoch()], tmp_path)
    recording = RecordEpochs(
        tmp_path / "run",
        settings=SETTINGS,
        average=AtEnd(1, validate=True, save=tmp_path / "average.ckpt"),
    )
    trainer, module = fit([recording], tmp_path)
    assert same(copied(module), module.after[-1])
    saved = torch.load(tmp_path / "average.ckpt", weights_only=True)["state_dict"]
    files = [paths.checkpoint(tmp_path / "run", epoch) for epoch in (1, 2)]
    assert same(saved, mean_of_files(files).tensors)
    for name, one in theirs.state_dict().items():
        torch.testing.assert_close(saved[name], one)
    module.load_state_dict(saved)
    again = trainer.validate(module, DataLoader(data(), batch_size=20), verbose=False)
    assert recording.average_metrics == again
    assert again[0]["val_loss"] > 0


def test_batch_norm_is_refused_before_training_or_refreshed(tmp_path):
    with pytest.raises(ConfigError, match=r"net\.1\.running_mean: .* allowed: batches"):
        fit(
            [RecordEpochs(tmp_path / "no", settings=SETTINGS, average=AtEnd(1))],
            tmp_path,
            norm=True,
        )
    assert not (tmp_path / "no").exists()
    saved = tmp_path / "average.ckpt"
    recording = RecordEpochs(
        tmp_path / "run", settings=SETTINGS, average=AtEnd(1, refresh=True, save=saved)
    )
    _, module = fit([recording], tmp_path, norm=True)
    state = torch.load(saved, weights_only=True)["state_dict"]
    module.load_state_dict(state)
    inputs = module.net[0](data().tensors[0])
    torch.testing.assert_close(state["net.1.running_mean"], inputs.mean(0))
    assert not torch.equal(
        copied(module)["net.1.running_mean"], module.after[-1]["net.1.running_mean"]
    )


def test_an_epoch_that_ends_early_is_not_recorded(tmp_path, caplog):
    recording = RecordEpochs(tmp_path / "run", settings=SETTINGS, means=True, average=AtEnd(2))
    fit([recording], tmp_path, max_steps=2 * BATCHES - 1)
    assert Manifest.open(tmp_path / "run").trained == 1
    assert "epoch 1 ended early" in caplog.text
    assert "epochs from 2 on: there are 1" in caplog.text


def test_a_strategy_that_spreads_the_weights_is_refused(tmp_path):
    # Lightning's own needs a GPU.
    spreads = type("FSDPStrategy", (SingleDeviceStrategy,), {})("cpu")
    with pytest.raises(ConfigError, match="FSDPStrategy: spreads the weights over ranks"):
        fit([RecordEpochs(tmp_path / "run", settings=SETTINGS)], tmp_path, strategy=spreads)
    assert not (tmp_path / "run").exists()


def test_the_recipe_works_as_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loader = DataLoader(data(), batch_size=8)
    names = {"module": Module(), "train_loader": loader, "validation_loader": loader}
    exec(recipe("Lightning"), names)
    assert names["recording"].average_metrics[0].keys() == {"val_loss", "val/Top-1"}
    assert Module.load_from_checkpoint("average.ckpt", weights_only=True).net
    assert same(copied(names["module"]), weights_of(tmp_path / "outputs/recorded/my_run", 3))


def test_it_is_a_callback_of_the_package_that_was_imported(tmp_path, monkeypatch):
    other = pytest.importorskip("pytorch_lightning")
    monkeypatch.delitem(sys.modules, "lightning.pytorch")
    monkeypatch.delitem(sys.modules, "polyak.adapters.lightning")
    again = importlib.import_module("polyak.adapters.lightning")
    assert issubclass(again.RecordEpochs, other.Callback)
    assert not issubclass(RecordEpochs, other.Callback)
