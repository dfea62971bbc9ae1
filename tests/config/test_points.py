"""Points of a sweep are composed as Hydra composes them, and no more often than needed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from polyak.config import sweep
from polyak.config.points import MOST_KEPT, Composer
from tests.small import ROOT

MASTER = [
    *("experiment=smoke", "name=s", "seed=0,1"),
    "hydra.job.config.override_dirname.exclude_keys=['name']",
]
POINTS = [
    ["averaging.start=0", "seed=1"],
    ["averaging.start=1", "optimizer=adam", "optimizer.lr=0.01"],
    ["name=s", "optimizer=adam", "averaging.start=1", "model.channels=[2,3]"],
    ["averaging=ema", "averaging.scheme.half_life=3", "+training.other={a: 1}", "seed=5"],
    ["experiment=demo", "~optimizer.momentum", "paths.outputs=${paths.datasets}"],
    ["averaging.start='1,2'", "+dataset.name='a=b'"],
]


@pytest.fixture
def loader() -> Iterator[ConfigLoaderImpl]:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        found = GlobalHydra.instance().config_loader()
        assert isinstance(found, ConfigLoaderImpl)
        yield found


@pytest.fixture
def master(loader: ConfigLoaderImpl) -> DictConfig:
    return loader.load_configuration("config", MASTER, RunMode.MULTIRUN)


@pytest.fixture
def composed(monkeypatch) -> list[list[str]]:
    """The overrides of each configuration that is composed from files."""
    found: list[list[str]] = []
    real = ConfigLoaderImpl.load_configuration

    def load(self, config_name, overrides, *args, **kwargs):
        found.append(overrides)
        return real(self, config_name, overrides, *args, **kwargs)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", load)
    return found


def test_a_point_is_what_hydra_composes(loader, master):
    composer = Composer(loader)
    for overrides in [*POINTS, POINTS[0]]:  # a configuration that was given away is another's
        found = composer.compose(master, overrides)
        wanted = loader.load_sweep_config(master, overrides)
        assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(wanted)
        assert found.hydra.overrides.task == overrides
        found.hydra.job.num = 7
        found.seed = 99


def test_points_of_the_same_choices_are_composed_from_files_once(loader, master, composed):
    composer = Composer(loader)
    for start in range(3):
        for optimizer in ("sgd", "adam"):
            composer.compose(master, [f"averaging.start={start}", f"optimizer={optimizer}"])
    assert [one[-1] for one in composed] == ["optimizer=sgd", "optimizer=adam"]
    assert len(composer._kept) <= MOST_KEPT


@pytest.mark.parametrize(
    "overrides",
    [["optimizer.nothing=1"], ["optimizer=nothing"], ["seed=1,2"], ["nothing@seed=1"]],
)
def test_what_can_not_be_composed_is_refused_in_hydras_words(loader, master, overrides):
    with pytest.raises(Exception) as wanted:  # noqa: PT011  whichever it is
        loader.load_sweep_config(master, overrides)
    with pytest.raises(type(wanted.value)) as found:
        Composer(loader).compose(master, overrides)
    assert str(found.value) == str(wanted.value)


@pytest.fixture(autouse=True)
def _no_sweep(monkeypatch):
    monkeypatch.setattr(sweep.Points, "directory", None)


def multirun(folder: Path, *overrides: str) -> list[DictConfig]:
    """The configurations that a sweep's jobs are run with, by the callback of `conf/`."""
    given: list[DictConfig] = []
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    named = [f"hydra.sweep.dir={folder}", *overrides]
    hydra.multirun("config", given.append, named, with_log_configuration=False)
    HydraConfig.instance().cfg = None
    return given


def test_a_sweep_composes_once_to_look_and_once_to_run(loader, composed, tmp_path):
    given = multirun(tmp_path, "averaging.start=0,1,2,3")
    assert [one.averaging.start for one in given] == [0, 1, 2, 3]
    assert len(composed) == 3  # the sweep itself is one


def test_choices_that_do_not_fit_are_found_before_the_first_point_runs(loader, tmp_path):
    with pytest.raises(ConfigCompositionException, match=r"optimizer\.momentum"):
        multirun(tmp_path, "optimizer=sgd,adam", "optimizer.momentum=0.5,0.6")
    assert [path.name for path in tmp_path.iterdir()] == ["multirun.yaml"]
