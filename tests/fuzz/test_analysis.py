"""A sweep's files: the analysis reads them, leaves them out with a note, or says why not."""

import pytest

from analysis.read.directories import AnalysisError
from analysis.read.load import load
from tests.fuzz.commands import analysis
from tests.fuzz.explore import explore, limited
from tests.fuzz.hostile import safetensors_files
from tests.fuzz.mutations import csv_files, json_files, yaml_files
from tests.fuzz.test_store import Below

FINISHED, FAILED, KILLED = (
    f"averaging.start={start},seed={seed}" for start, seed in ((0, 0), (1, 2), (1, 3))
)
LOADED = {
    f"{FINISHED}/summary.json": json_files(),
    f"{FINISHED}/metrics.csv": csv_files(),
    f"{FAILED}/failure.json": json_files(),
    f"{FAILED}/.hydra/config.yaml": yaml_files(),
    f"{KILLED}/claim.json": json_files(),
    f"{KILLED}/metrics.csv": csv_files(),
    "multirun.yaml": yaml_files(),
}
TABLES = {
    **LOADED,
    f"{FINISHED}/windows.csv": csv_files(),
    f"{FINISHED}/predictions/test/labels.safetensors": safetensors_files(),
    f"{FINISHED}/predictions/test/average.safetensors": safetensors_files(),
    f"{FINISHED}/predictions/test/epoch_001.safetensors": safetensors_files(),
    f"{FINISHED}/predictions/validation/average.safetensors": safetensors_files(),
}
DRAWN = {
    "distance_maps": {"distances.csv": csv_files()},
    "path": {"path.csv": csv_files()},
    "window_map": {"windows.csv": csv_files()},
}


def test_a_broken_sweep_is_loaded(specimen, profile, record_property):
    def call() -> None:
        assert len(load([specimen.sweep]).runs) == 6

    def attempt(name, mutation) -> str:
        with specimen.broken(specimen.sweep / name, mutation):
            return limited((AnalysisError,), lambda: load([specimen.sweep]))

    call()
    explore(LOADED, attempt, profile, 1.2, record_property, "analysis: load")


def test_a_broken_run_alone_is_loaded(specimen, profile, record_property):
    run, files = specimen.run, {".hydra/overrides.yaml": yaml_files()}

    def attempt(name, mutation) -> str:
        with specimen.broken(run / name, mutation):
            return limited((AnalysisError,), lambda: load([run]))

    assert load([run]).commands
    explore(files, attempt, profile, 0.3, record_property, "analysis: load a run")


def test_a_broken_sweep_is_analysed(specimen, profile, record_property):
    def attempt(name, mutation) -> str:
        with specimen.broken(specimen.sweep / name, mutation):
            return limited((), lambda: analysis("table", str(specimen.sweep)))

    assert analysis("table", str(specimen.sweep)) == 0
    explore(TABLES, attempt, profile, 2.0, record_property, "analysis: table")


@pytest.mark.parametrize("figure", DRAWN)
def test_a_broken_table_is_drawn_or_refused(figure, specimen, profile, record_property):
    run = specimen.sweep / FINISHED
    written = Below(run / "analysis")

    def call() -> int:
        return analysis("figure", figure, str(run))

    def attempt(name, mutation) -> str:
        with specimen.broken(run / name, mutation, written):
            return limited((), call)

    assert call() == 0
    assert not specimen.changed(written)
    explore(DRAWN[figure], attempt, profile, 0.3, record_property, f"analysis: figure {figure}")
