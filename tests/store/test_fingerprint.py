"""Changing what decides the weights makes a new fingerprint, and changing anything else does not:
shown on edited copies of this project's sources."""

import shutil

import pytest
import torch

from polyak.code import PACKAGE, code_digest, counted_code
from polyak.data.dataset import make_split
from polyak.evaluation import logits
from polyak.store import fingerprint as fingerprints
from polyak.store.fingerprint import fingerprint
from polyak.training import trainer
from tests.store.trajectories import make_recipe

RECIPE = [
    trainer.__name__,
    "polyak.models.small_cnn",
    "polyak.training.optimizers.sgd",
    "polyak.training.schedules.cosine",
]


@pytest.fixture
def edited(tmp_path):
    """The digest of those modules after an edit of a copy of the sources: a file, the text to
    replace, and the new text ("" for a file that is new)."""
    copy = tmp_path / "polyak"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def digest(file=None, old="", new="", modules=RECIPE):
        if file is None:
            return code_digest(modules, copy)
        path = copy / file
        before = path.read_text() if path.exists() else None
        assert before is None or before.count(old) >= 1, f"{file} has no {old}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(new if before is None else before.replace(old, new))
        found = code_digest(modules, copy)
        path.unlink() if before is None else path.write_text(before)
        return found

    return digest


DECIDES = [
    (
        "training/trainer.py",
        "self.recipe.planned_epochs or epoch + 1",
        "self.recipe.planned_epochs or epoch",
    ),
    ("training/trainer.py", "* factor", "* factor * 2"),
    ("training/trainer.py", "set_learning_rate(self.optimizer, factor)", "pass"),
    ("training/trainer.py", "        self.model.train()\n", ""),
    ("training/trainer.py", "torch.manual_seed(epoch_seed(recipe.seed, epoch))", "pass"),
    ("training/trainer.py", "order.split(recipe.batch_size)", "order.split(recipe.batch_size + 1)"),
    ("training/trainer.py", 'set_mode(self.optimizer, "eval")', "pass"),
    ("training/trainer.py", "loss.backward()", "(2 * loss).backward()"),
    ("training/trainer.py", "F.cross_entropy", "F.nll_loss"),
    ("training/order.py", "randperm(count", "randperm(count - 1"),
    ("training/order.py", ">> 1", ">> 2"),
    ("training/order.py", '"augmentation "', '"x"'),
    ("training/decay.py", "one.dim() > 1", "one.dim() > 2"),
    ("training/schedules/cosine.py", "math.pi * epoch", "math.pi * (epoch + 1)"),
    ("training/optimizers/sgd.py", "momentum=momentum", "momentum=0.0"),
    (
        "training/optimizers/sgd.py",
        "weight_decay: NotNegative = 0.0",
        "weight_decay: NotNegative = 1.0",
    ),
    ("models/initial.py", "torch.manual_seed(seed)", "torch.manual_seed(seed + 1)"),
    ("models/small_cnn.py", "padding=1", "padding=2"),
    ("models/layers.py", "return gradient.contiguous", "return 2 * gradient.contiguous"),
    ("models/precision.py", 'precision == "fp32"', 'precision == "fp16"'),
    ("data/inputs.py", "mean: tuple[float, ...] = (0.5,)", "mean: tuple[float, ...] = (0.4,)"),
    # What only annotations use does not count, until something else does.
    ("models/small_cnn.py", "padding=1", "padding=int(Count.__metadata__[0].ge)"),
    ("models/small_cnn.py", "import Tensor, nn", "import Tensor\nfrom torch.ao import nn"),
    # Packages that a module is in run when it is imported, and so does a module nothing is used of.
    (
        "models/__init__.py",
        '"""Networks',
        'import torch\n\ntorch.set_default_dtype(torch.float64)\n"""N',
    ),
    ("__init__.py", "__version__ =", "other = 1\n__version__ ="),
    ("models/layers.py", "import torch\n", "import torch\n\nimport polyak.data.svhn\n"),
    (
        "models/layers.py",
        "import torch\n",
        "import torch\n\nfrom .initial import initial_model as i\ni\n",
    ),
    # A tensor may be called log, and a message may draw from a generator.
    (
        "models/small_cnn.py",
        "        return logits",
        "        log = logits\n        log.mul_(0.5)\n        return logits",
    ),
    (
        "models/small_cnn.py",
        "        return logits",
        '        log.info("%s", torch.rand(1))\n        return logits',
    ),
    ("training/optimizers/sgd.py", "raise ValueError(", "raise KeyError("),
]

DOES_NOT = [
    (
        "errors.py",
        "class PolyakError",
        "class NewError(Exception):\n    pass\n\n\nclass PolyakError",
    ),
    ("training/epoch.py", "training diverged", "the training has diverged"),
    ("training/epoch.py", "correct / images", "correct / images + 0"),
    ("training/trainer.py", "The step loop", "The loop over steps"),
    ("training/trainer.py", '    """Model and optimizer', '    """A model and its optimizer'),
    (
        "training/trainer.py",
        "            for step, batch in",
        "            # a comment\n            for step,  batch in",
    ),
    ("training/optimizers/sgd.py", "allowed: only with", "it needs"),
    ("training/optimizers/sgd.py", "nesterov: bool", "nesterov: int"),
    ("training/trainer.py", "    trainer = Trainer", "    the_trainer = Trainer"),
    ("models/small_cnn.py", "logits: Tensor = ", "logits = "),
    (
        "models/layers.py",
        "import torch\n",
        "import torch\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import abc\n",
    ),
    ("training/schedules/cosine.py", "-> float", "-> int"),
    ("training/schedules/step.py", "epoch // self.every", "epoch"),
    ("training/optimizers/adam.py", "lr=lr", "lr=2 * lr"),
    ("models/other.py", "", "import torch\n"),
    ("__init__.py", '"Recorder": ', '"Other": "polyak.models.other", "Recorder": '),
    ("__init__.py", '"Recorder", "__v', '"Recorder", "Other", "__v'),
    (
        "__init__.py",
        "    from polyak.study",
        "    from polyak.data.svhn import load\n    from polyak.study",
    ),
    ("data/other.py", "", "def load():\n    pass\n"),
    ("data/arrays.py", "images", "pictures"),
    ("evaluation/logits.py", "BATCH_SIZE = 250", "BATCH_SIZE = 251"),
    ("averaging/mean.py", "float64", "float32"),
    ("store/work.py", "train_epoch", "train_one_epoch"),
    ("store/manifest.py", "trained", "done"),
    ("runs/records.py", "epoch", "era"),
    ("config/schema.py", "epochs", "eras"),
    ("parameters.py", "Field(gt=0)", "Field(gt=0, le=1)"),
    ("training/recipe.py", "    seed: int\n", "    seed: int\n    note: str = ''\n"),
    ("training/schedule.py", "depends_on_epochs", "needs_epochs"),
    ("training/trainer.py", "import Literal, Self", "import Any, Literal, Self"),
]


def ids(edits):
    return [f"{file}: {old.strip()[:30]}" for file, old, _ in edits]


@pytest.mark.parametrize("edit", DECIDES, ids=ids(DECIDES))
def test_what_decides_the_weights_counts(edited, edit):
    assert edited(*edit) != edited()


@pytest.mark.parametrize("edit", DOES_NOT, ids=ids(DOES_NOT))
def test_what_decides_no_weight_does_not_count(edited, edit):
    assert edited(*edit) == edited()


LOGITS = [logits.__name__]


@pytest.mark.parametrize(
    ("edit", "counts"),
    [
        (("evaluation/logits.py", "BATCH_SIZE = 250", "BATCH_SIZE = 251"), True),
        (("evaluation/logits.py", "model.eval()", "model"), True),
        (("models/precision.py", "torch.bfloat16", "torch.float16"), True),
        (("data/inputs.py", "div_(255)", "div_(256)"), True),
        (("evaluation/logits.py", "What a model gives", "All that a model gives"), False),
        (("evaluation/scores.py", "BINS = 15", "BINS = 10"), False),
        (("training/trainer.py", "loss.backward()", "pass"), False),
    ],
)
def test_code_that_computes_logits_is_in_the_evaluation_key(edited, edit, counts):
    assert (edited(*edit, modules=LOGITS) != edited(modules=LOGITS)) == counts


def test_modules_count_by_their_names_in_the_package(edited):
    assert edited() == code_digest(RECIPE)  # a copy elsewhere is the same code


def test_modules_outside_the_package_do_not_count():
    assert code_digest([*RECIPE, "torch.optim.sgd"]) == code_digest(RECIPE)


def test_a_module_without_source_is_an_error():
    with pytest.raises(FileNotFoundError):
        code_digest(["polyak.nothing"])


def test_fingerprints_do_not_depend_on_the_order_of_keys():
    assert fingerprint({"a": 1, "b": [2, None]}) == fingerprint({"b": [2, None], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert len(fingerprint({})) == 16


def test_what_counts_of_a_recipe_is_a_short_list():
    """So that no module is hashed, or left out, without a look."""
    rooms = {"", "data", "models", "training", "training.optimizers", "training.schedules"}
    assert set(counted_code(RECIPE)) == rooms | {
        *("training.trainer", "training.order", "training.optimizers.sgd"),
        *("training.schedules.cosine", "models.small_cnn", "models.layers", "models.initial"),
        *("models.precision", "data.inputs", "training.decay"),
    }
    rooms = {"", "data", "models", "evaluation"}
    found = {"evaluation.logits", "models.precision", "data.inputs"}
    assert set(counted_code(LOGITS)) == rooms | found


RE_EXPORT = "from polyak.models.layers import Flatten\n"


def test_what_is_imported_through_another_module_counts(edited, tmp_path):
    copy = tmp_path / "polyak" / "models"
    (copy / "blocks.py").write_text(RE_EXPORT)
    path = copy / "small_cnn.py"
    path.write_text(path.read_text().replace("models.layers import", "models.blocks import"))
    change = ("models/layers.py", "return gradient.contiguous", "return 2 * gradient.contiguous")
    assert edited(*change) != edited()
    (copy / "blocks.py").write_text("from polyak.models.layers import *\n")
    assert edited(*change) != edited()


def test_a_choice_that_is_a_function_counts(edited, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        fingerprints, "imported_digest", lambda modules: seen.extend(modules) or "0"
    )
    recipe = make_recipe(described={"model": {"_target_": "polyak.models.tiny.tiny"}})
    images = make_split(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.arange(4), None)
    fingerprints.ingredients(recipe, images, recipe.model())
    assert "polyak.models.tiny" in seen


CLASS = "class Block(nn.Module):\n    kernel: int\n    stride: int\n"


def test_the_order_of_a_classs_fields_counts(edited, tmp_path):
    path = tmp_path / "polyak" / "models" / "layers.py"
    path.write_text(path.read_text() + CLASS)
    one = edited()
    path.write_text(
        path.read_text().replace(
            "    kernel: int\n    stride: int\n", "    stride: int\n    kernel: int\n"
        )
    )
    assert edited() != one
