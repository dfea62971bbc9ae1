import sys

import pytest

from polyak.store.fingerprint import code_digest, fingerprint
from polyak.training.schedules import Constant, Cosine

SOURCE = '''
"""A module."""
import math
from pack.inner import constant


class Model:
    """Doubles."""

    def forward(self, x):
        return 2 * x + constant  # twice


class Other:
    pass
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose module `pack.model` imports `pack.inner`; call it to write other sources."""
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    def digest(model=SOURCE, inner="constant = 1\n"):
        (folder / "model.py").write_text(model)
        (folder / "inner.py").write_text(inner)
        return code_digest(["pack.model"], package="pack")

    yield digest
    for name in [name for name in sys.modules if name.split(".")[0] == "pack"]:
        del sys.modules[name]


def test_comments_docstrings_and_formatting_do_not_count(package):
    same = SOURCE.replace("# twice", "# two times").replace("Doubles.", "Times two.")
    same = same.replace("A module.", "Another text.").replace("2 * x", "(2   *   x)")
    assert same != SOURCE
    assert package(same) == package()


@pytest.mark.parametrize(
    ("old", "new"), [("2 * x", "3 * x"), ("def forward", "def backward"), ("pass", "y = None")]
)
def test_code_counts(package, old, new):
    assert package(SOURCE.replace(old, new)) != package()


def test_code_that_it_imports_counts(package):
    assert package(inner="constant = 2\n") != package()
    assert package(inner="constant = 1  # one\n") == package()


def test_a_schedule_counts_without_the_other_schedules():
    assert code_digest([Constant.__module__]) != code_digest([Cosine.__module__])
    assert Constant.__module__ != Cosine.__module__


def test_modules_outside_the_package_do_not_count():
    assert code_digest(["torch.optim.sgd", "polyak.data.inputs"]) == code_digest(
        ["polyak.data.inputs"]
    )


def test_training_depends_on_nothing_of_averaging_or_evaluation():
    from polyak.store import fingerprint as module

    seen = set()
    original = module._imports
    try:
        module._imports = lambda tree, package: [
            name for name in original(tree, package) if not seen.add(name)
        ]
        code_digest(["polyak.training.epoch"])
    finally:
        module._imports = original
    assert seen == {"polyak.data.inputs", "polyak.models.precision", "polyak.errors"}


def test_a_missing_module_is_an_error():
    with pytest.raises(ModuleNotFoundError):
        code_digest(["polyak.nothing"])


def test_fingerprints_do_not_depend_on_the_order_of_keys():
    assert fingerprint({"a": 1, "b": [2, None]}) == fingerprint({"b": [2, None], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert len(fingerprint({})) == 16
