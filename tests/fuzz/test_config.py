"""Configurations: checked, or refused with a ConfigError."""

import json
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from polyak.config.compose import configured
from polyak.config.parse import parse, plain
from polyak.config.resolvers import register
from polyak.config.schema import Config
from polyak.errors import ConfigError
from tests.fuzz.explore import UnforeseenError, explore, limited
from tests.fuzz.mutations import BOMB, JSON, LONG, TRACE, YAML, json_edits
from tests.small import ROOT

CHOSEN = {
    "article": (),
    "small": ("experiment=smoke", "schedule=warmup_cosine", "augmentation=crop_flip"),
    "wide": ("experiment=swa/cifar10_wrn28_10", "averaging=explicit"),
    "adamw": (
        *("optimizer=adamw", "schedule=cyclic", "model=torchvision"),
        *("dataset=folder", "dataset.train=.", "dataset.test=."),
    ),
}


def composed(overrides):
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", list(overrides))


def contents(overrides) -> bytes:
    made = OmegaConf.to_container(composed(overrides), resolve=True)
    return json.dumps(made).encode()


def checked(values) -> None:
    config = parse(values, caller=Path.cwd())
    assert isinstance(config, Config)
    assert config.window, config.resolved
    assert config.scheme.description
    assert config.learning_rates
    json.dumps(config.resolved)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory, which is to stay so."""
    directory = tmp_path / "cwd"
    directory.mkdir()
    monkeypatch.chdir(directory)

    def unchanged(ended: str) -> str:
        if any(directory.iterdir()):
            raise UnforeseenError(f"wrote {sorted(one.name for one in directory.iterdir())}")
        return ended

    return unchanged


def test_values_are_checked(here, profile, record_property):
    made = {name: contents(overrides) for name, overrides in CHOSEN.items()}

    def attempt(name, mutation) -> str:
        try:
            values = json.loads(mutation(made[name]))
        except (ValueError, RecursionError):
            return "no values"
        return here(limited((ConfigError,), lambda: checked(values)))

    checked(json.loads(made["article"]))
    files = dict.fromkeys(CHOSEN, json_edits())
    explore(files, attempt, profile, 0.7, record_property, "config: values")


def test_what_a_yaml_file_may_hold_is_checked(here, profile, record_property):
    """As Hydra reads it: a file that OmegaConf refuses is Hydra's to explain."""
    made = {name: contents(overrides) for name, overrides in CHOSEN.items()}

    def attempt(name, mutation) -> str:
        path = Path("..", "config.yaml")
        path.write_bytes(mutation(made[name]))
        if path.stat().st_size > 10_000:  # PyYAML takes seconds, before this project sees anything
            return "too large"
        try:
            found = OmegaConf.load(path)
        except (OmegaConfBaseException, yaml.YAMLError, OSError, ValueError, RecursionError):
            return "no YAML"
        return here(limited((ConfigError,), lambda: checked(plain(found))))

    values = [one for one in YAML if not one.startswith(BOMB)]  # OmegaConf copies each alias
    files = dict.fromkeys(CHOSEN, json_edits(values, yaml=True))
    explore(files, attempt, profile, 0.7, record_property, "config: YAML")


KEYS = [
    *("seed", "name", "training.epochs", "training.batch_size", "training.init", "optimizer.lr"),
    *("averaging.start", "averaging.end", "averaging.scheme", "averaging.refresh.images"),
    *("optimizer", "model", "model.channels", "dataset", "dataset.mean", "schedule", "experiment"),
    *("averaging", "paths.outputs", "+new", "++seed", "~seed", "~training", "+training.new", ""),
    *(
        "training",
        "model._target_",
        "hydra.mode",
        "+hydra",
        "a.b.c",
        "..",
        "@",
        "seed@x",
        "optimizer",
    ),
]
WORDS = [
    *JSON,
    *YAML,
    *("adamw", "sgd", "cosine", "uniform", "exponential", "range(1,1e9)", "glob(*)", "choice(1,2)"),
    *("${polyak.root:}", "${polyak.unique:x/y}", "${polyak.point:a,b}", "${oc.decode:'['}", "1,2"),
    *(f"{{_target_:os.system,command:'touch {TRACE}'}}", "[1,2,3]", "\\", "\x00", "\ud800", LONG),
    *(
        "(" * 3000,
        "${" * 500,
        "'" + "\\" * 500,
        "int('x')",
        "str([1,2])",
        "sort(3,1)",
        "shuffle(1,2)",
    ),
]


def override_lists() -> st.SearchStrategy[list[str]]:
    one = st.builds(
        lambda key, sign, word: f"{key}{sign}{word}",
        st.sampled_from(KEYS),
        st.sampled_from(["=", "=", "=", "=", "", "==", ":"]),
        st.sampled_from(WORDS) | st.text(max_size=20),
    )
    return st.lists(one, min_size=1, max_size=3)


def test_overrides_are_checked(here, profile, record_property):
    def attempt(_, overrides) -> str:
        return here(limited((ConfigError,), lambda: checked_overrides(overrides)))

    def checked_overrides(overrides) -> None:
        assert isinstance(configured(overrides), Config)

    checked_overrides(["seed=1"])
    files = {"command line": override_lists()}
    explore(files, attempt, profile, 0.7, record_property, "config: overrides")
