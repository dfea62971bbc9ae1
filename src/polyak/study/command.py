"""The commands `windows` and `widths` of a recording: somebody's own file has what evaluates it.

python -m polyak windows outputs/recorded/my_run --evaluate my_file.py:evaluate
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from polyak import files
from polyak.errors import ConfigError
from polyak.evaluation.metric import KNOWN, Metric
from polyak.maps import width_report, window_report
from polyak.maps.bar import bar
from polyak.maps.widths import SHARES
from polyak.maps.windows import Spent, epochs_of
from polyak.records import widths as width_records
from polyak.records import windows as window_records
from polyak.study.study import Study
from polyak.study.study import open as opened


def windows(given: argparse.Namespace) -> int:
    """Every window of a recording: windows.csv, the map and a table."""
    study, metric = _study(given)
    epochs = study.epochs
    starts = epochs_of("--starts", given.starts or f"0:{epochs}", epochs - 1)
    ends = epochs_of("--ends", given.ends or f"1:{epochs + 1}", epochs)
    spent = Spent()
    with bar("window") as begin:
        study.windows(starts, ends, bar=begin, spent=spent)
    path = given.run / window_records.TABLE.name
    rows, target = window_records.table_of(metric.name).read(path), _figure(given, "windows")
    window_report.draw(target, title=study.title, rows=rows, configured=None, metric=metric)
    print(f"{window_report.report(rows, spent, None, metric)}\n{target}\n{path}")
    return 0


def widths(given: argparse.Namespace) -> int:
    """Averages of every width of a recording: widths.csv, the figure and a table."""
    study, metric = _study(given)
    with bar("width") as begin:
        study.widths(given.shares or SHARES, bar=begin)
    path = given.run / width_records.TABLE.name
    rows, target = width_records.table_of(metric.name).read(path), _figure(given, "widths")
    width_report.draw(target, title=study.title, rows=rows, last=study.last(), metric=metric)
    print(f"{width_report.report(rows, metric)}\n{target}\n{path}")
    return 0


_run: dict[Path, ModuleType] = {}
"""Files that were run: several names may be of one."""


def named(option: str, text: str) -> Any:
    """What FILE.py:NAME names, after the file was run, with its folder on the path as python has
    it. Raises ConfigError, naming the `option`, where there is no such file or name."""
    place, _, name = text.rpartition(":")
    path = Path(place).absolute()
    if not name.isidentifier() or path.suffix != ".py" or not files.is_regular(path):
        raise ConfigError(
            f"{option} {files.shown(text)[1:-1]}: allowed: FILE.py:NAME, of a file that is there"
        )
    if path not in _run:
        called = path.stem if path.stem not in sys.modules else f"{path.stem}_given"
        spec = importlib.util.spec_from_file_location(called, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, str(path.parent))
        sys.modules[called] = module
        try:
            spec.loader.exec_module(module)
        except SystemExit as error:
            raise ConfigError(
                f"{option}: {path} exits when it is run; allowed: a file that only defines, with "
                'what it does as a script under if __name__ == "__main__"'
            ) from error
        _run[path] = module
    module = _run[path]
    if not hasattr(module, name):
        raise ConfigError(f"{option}: {path} has no {name}")
    return getattr(module, name)


def _study(given: argparse.Namespace) -> tuple[Study, Metric]:
    if given.splits:
        raise ConfigError("--splits: of a recording, the function decides; leave it out")
    name = given.metric or "accuracy"
    metric = Metric(name, KNOWN[name].higher if name in KNOWN else not given.lower)
    study = opened(
        given.run,
        named("--evaluate", given.evaluate),
        refresh=named("--refresh", given.refresh) if given.refresh else None,
        model=named("--model", given.model) if given.model else None,
        batch_norm=given.batch_norm,
        metric=metric,
    )
    return study, metric


def _figure(given: argparse.Namespace, name: str) -> Path:
    path: Path = given.run / "figures" / f"{name}.png"
    return path
