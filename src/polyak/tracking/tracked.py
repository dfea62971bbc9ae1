"""What is tracked of a run, read from its files: plain values, whoever wrote them.

origin_of(run, Summary.read(run).config)
points(run)          # each epoch, the average as its window grows, windows, widths
outcome(run)
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from polyak import files
from polyak.errors import PolyakError
from polyak.records import metrics, widths, windows
from polyak.records.summary import Summary, flat
from polyak.runs.directory import ELSEWHERE
from polyak.store import paths
from polyak.tracking.backend import Origin, Outcome, Point, Value

MOST_PARAMETERS, MOST_IMAGES, LARGEST_IMAGE = 500, 20, 32 << 20
_LONGEST_NAME, _LONGEST_TEXT = 200, 500
_PREFIXES = {"train_": "train/", "val_": "validation/", "test_": "test/", "average_": "average/"}
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def origin_of(run: Path, config: Mapping[str, Any]) -> Origin:
    """Which run it is: by its name, with that of its sweep or recording, and all that decides its
    results; not by where its outputs are, nor by device and threads."""
    place = run.absolute()
    parts = [place.name] if place.parent.name in ("runs", "") else [place.parent.name, place.name]
    name = "/".join(map(_name, parts))
    values = {key: one for key, one in flat(config).items() if not key.startswith("paths.")}
    decided = {key: one for key, one in values.items() if not key.startswith(ELSEWHERE)}
    text = json.dumps([name, decided], sort_keys=True)
    identity = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    shown = {_name(key): _value(one) for key, one in [*values.items()][:MOST_PARAMETERS]}
    return Origin(place, name, identity, shown)


def epoch(row: Mapping[str, float]) -> Point:
    """Of one row of metrics.csv, what isn't the average's."""
    return _point(row, average=False)


def points(run: Path) -> Iterator[Point]:
    """All of a run's, in an order that its later tables only add to: epochs first, one each."""
    table = metrics.read(run / metrics.TABLE.name)
    columns = {**table.columns, **table.others}
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    yield from map(epoch, rows)
    of_averages = (_point(row, average=True) for row in rows)
    yield from (point for point in of_averages if point.values)
    yield from _of_windows(run)
    yield from _of_widths(run)


def outcome(run: Path) -> Outcome:
    """What a finished run's summary says, and its figures. Raises PolyakError."""
    paths.check_run(run)
    found, scores = Summary.read(run), {}
    for name, result in found.results.items():
        for split, of_split in (result.splits if result else {}).items():
            for metric, value in of_split.by_name.items():
                scores[f"results/{name}/{split}/{metric}"] = value
    for over, gains in found.gains.items():
        scores |= {f"gains/{_name(over)}/{split}": gain for split, gain in gains.items()}
    window = found.window
    tags = {
        **{"run.dataset": found.dataset.name, "run.synthetic": found.dataset.synthetic},
        **{"run.scheme": found.scheme, "run.window": f"{window.start:g}..{window.end - 1}"},
        **{"run.fingerprint": found.fingerprint, "run.trajectory": found.trajectory},
        **{f"environment.{key}": str(one) for key, one in found.environment.items() if one},
    }
    shown = {_name(key): str(_value(one)) for key, one in tags.items()}
    return Outcome(found.epochs, scores, shown, _images(run / "figures"))


def _point(row: Mapping[str, float], *, average: bool) -> Point:
    wanted = {
        _column(name): float(value)
        for name, value in row.items()
        if name != "epoch" and name.startswith("average_") == average and math.isfinite(value)
    }
    return Point("epoch", int(row["epoch"]), wanted)


def _column(name: str) -> str:
    """ "average_val_loss" is "average/validation/loss"."""
    for prefix, shown in _PREFIXES.items():
        if name.startswith(prefix):
            return shown + _column(name.removeprefix(prefix))
    return name


def _of_windows(run: Path) -> Iterator[Point]:
    """Of each first epoch, the average from there to the last one that windows.csv has."""
    rows = windows.TABLE.read(run / windows.TABLE.name)
    end = max((row.end for row in rows), default=0)
    for row in rows:
        if row.end == end:
            values = {"loss": row.loss, "accuracy": row.accuracy}
            yield _of_table("windows/start", row.start, f"windows/{row.split}", values)


def _of_widths(run: Path) -> Iterator[Point]:
    for row in widths.TABLE.read(run / widths.TABLE.name):
        values = {"loss": row.loss, "accuracy": row.accuracy}
        place = f"widths/{row.kind}/{row.split}"
        yield _of_table("widths/steps", max(1, round(row.steps)), place, values)


def _of_table(axis: str, at: int, place: str, values: Mapping[str, float]) -> Point:
    finite = {f"{place}/{name}": one for name, one in values.items() if math.isfinite(one)}
    return Point(axis, at, finite)


def _images(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.png")):
        if path.is_symlink() or not files.is_regular(path):
            continue
        if path.stat().st_size > LARGEST_IMAGE or len(found) == MOST_IMAGES:
            raise PolyakError(
                f"{path}: allowed: {MOST_IMAGES} figures of at most {LARGEST_IMAGE >> 20} MB each"
            )
        with path.open("rb") as file:
            if not file.read(len(_PNG) + 8).startswith(_PNG):
                raise PolyakError(f"{path}: is no PNG; draw it again, or move it away")
        found[f"figures/{_name(path.stem)}"] = path
    return found


def _name(text: str) -> str:
    """What every tool takes for a part of a name, and no part of a path that leads elsewhere."""
    name = re.sub(r"[^A-Za-z0-9_.=,+-]", "_", text)[:_LONGEST_NAME]
    return name if name.strip(".") else "_"


def _value(found: Any) -> Value:
    if isinstance(found, bool | int | float):
        return found if isinstance(found, bool) or math.isfinite(found) else str(found)
    text = found if isinstance(found, str) else json.dumps(found)
    return files.printable(text)[:_LONGEST_TEXT]
