"""TensorBoard: `tracking=tensorboard`, then `tensorboard --logdir outputs/runs`."""

import re
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from polyak import files
from polyak.errors import PolyakError
from polyak.parameters import Directory
from polyak.records import reading
from polyak.tracking.backend import Origin, Outcome, Point, missing

MARK = "polyak.json"
"""In a folder of events that this project has made: whose they are."""
_OURS = r"events\.out\.tfevents\.[\w.-]+"
_HALF = r"\.polyak\.\d+\.tmp\.json"
"""A mark that a killed process has not finished."""


@dataclass(frozen=True)
class TensorBoard:
    """Events in `<run>/tensorboard/`, or in a folder of the run's name below `directory`."""

    name: ClassVar[str] = "tensorboard"
    directory: Directory | None = None

    def check(self) -> None:
        """Raise ConfigError where TensorBoard can't be imported."""
        try:
            import tensorboard.summary.writer.event_file_writer  # noqa: F401
        except ImportError as error:
            raise missing(self.name, error) from error

    def open(self, origin: Origin) -> "_Events":
        """A new file of events in the place of those of before. Raises PolyakError for a folder
        that holds anything else."""
        below = Path(self.directory, *origin.name.split("/")) if self.directory else None
        folder = below or origin.directory / "tensorboard"
        _take(folder, origin.identity, shared=below is not None)
        return _Events(folder, origin)


class _Events:
    def __init__(self, folder: Path, origin: Origin) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._origin, self._writer = origin, EventFileWriter(str(folder))

    def log(self, point: Point) -> None:
        self._add(
            point.at, [{"tag": tag, "simple_value": one} for tag, one in point.values.items()]
        )

    def finish(self, outcome: Outcome) -> None:
        last = outcome.epochs - 1
        self._add(last, [{"tag": tag, "simple_value": one} for tag, one in outcome.scores.items()])
        for tag, path in outcome.images.items():
            encoded = path.read_bytes()
            width, height = struct.unpack(">II", encoded[16:24])
            image = {"encoded_image_string": encoded, "width": width, "height": height}
            self._add(last, [{"tag": tag, "image": {**image, "colorspace": 4}}])
        self._add(0, [_described({**outcome.tags, **self._origin.parameters}, self._origin.name)])

    def close(self, complete: bool) -> None:
        self._writer.close()

    def _add(self, step: int, values: list[dict[str, Any]]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        found = Summary(value=[Summary.Value(**one) for one in values])
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=found))
        self._writer.flush()


def _described(parameters: dict[str, Any], name: str) -> dict[str, Any]:
    """For the page HPARAMS, which finds the metrics itself."""
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

    start = SessionStartInfo(group_name=name, start_time_secs=time.time())
    for key, value in parameters.items():
        kind = {bool: "bool_value", str: "string_value"}.get(type(value), "number_value")
        setattr(start.hparams[key], kind, value)
    data = HParamsPluginData(session_start_info=start)
    about = {"metadata": metadata.create_summary_metadata(data), "tensor": metadata.NULL_TENSOR}
    return {"tag": metadata.SESSION_START_INFO_TAG, **about}


def _take(folder: Path, identity: str, *, shared: bool) -> None:
    """Make it a folder without events. A run's own may have been renamed with it."""
    files.real_directory(folder)
    mark = folder / MARK
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    there = {name for name in names if not re.fullmatch(_HALF, name)}
    foreign = {name for name in there - {MARK} if not re.fullmatch(_OURS, name)}
    if foreign or (there and MARK not in there):
        raise PolyakError(
            f"{folder}: holds {files.printable(min(foreign or there))}, and no tracking of this "
            "project has made it; allowed: a new or empty folder"
        )
    found = reading.plain_json(mark) if MARK in there else {"run": identity}
    if shared and found != {"run": identity}:
        raise PolyakError(
            f"{folder}: has the events of another run of that name; allowed: another "
            "tracking.directory"
        )
    files.remove(folder, [_OURS])
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(mark, {"run": identity})  # never through a link, and never half
