"""MLflow: `tracking=mlflow`, then `mlflow ui --backend-store-uri sqlite:///...`."""

import logging
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock

from polyak.errors import ConfigError
from polyak.parameters import Directory, Label
from polyak.tracking.backend import Origin, Outcome, Point, missing

RUN = "polyak.run"
"""The tag that has a run's identity."""


@dataclass(frozen=True)
class MLflow:
    """Runs of an experiment, on the server at `uri`, or else in `directory`."""

    name: ClassVar[str] = "mlflow"
    directory: Directory
    experiment: Label = "polyak"
    uri: str | None = None

    def check(self) -> None:
        """Raise ConfigError where MLflow can't be imported, or the directory's name be in a URI."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # Of a server that is gone, minutes of waiting would be the training's.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        try:
            import mlflow.tracking  # noqa: F401
            import sqlalchemy  # noqa: F401  what its databases need
        except ImportError as error:
            raise missing(self.name, error) from error
        if not self.uri and (wrong := re.search(r"[?#%]", self.directory)):
            raise ConfigError(f"tracking.directory = {self.directory}: allowed: without {wrong[0]}")

    def open(self, origin: Origin) -> "_Run":
        """The run that has the identity as its tag, or a new one."""
        from mlflow.tracking import MlflowClient

        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        if self.uri:
            client = MlflowClient(self.uri)
            return _Run(client, _experiment(client, self.experiment, None), origin)
        folder = Path(self.directory)
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):  # a sweep's runs would all make its tables
            client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
            artifacts = (folder / "artifacts").as_uri()
            return _Run(client, _experiment(client, self.experiment, artifacts), origin)


def _experiment(client: Any, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name, artifacts))


class _Run:
    def __init__(self, client: Any, experiment: str, origin: Origin) -> None:
        found = client.search_runs([experiment], f"tags.`{RUN}` = '{origin.identity}'")
        tags = {RUN: origin.identity}
        run = found[0] if found else client.create_run(experiment, tags=tags, run_name=origin.name)
        self._client, self._id = client, run.info.run_id
        self._there = {
            (name, one.step)
            for name in run.data.metrics
            for one in client.get_metric_history(self._id, name)
        }
        client.update_run(self._id, status="RUNNING")
        new = {key: one for key, one in origin.parameters.items() if key not in run.data.params}
        self._batches("params", [(key, str(one)) for key, one in new.items()], most=100)

    def log(self, point: Point) -> None:
        now = int(1000 * time.time())
        rows = [(name, one, now, point.at) for name, one in point.values.items()]
        self._batches("metrics", [row for row in rows if (row[0], row[3]) not in self._there])

    def finish(self, outcome: Outcome) -> None:
        self.log(Point("epoch", outcome.epochs - 1, outcome.scores))
        self._batches("tags", list(outcome.tags.items()), most=100)
        for path in outcome.images.values():
            self._client.log_artifact(self._id, str(path), "figures")

    def close(self, complete: bool) -> None:
        self._client.set_terminated(self._id, "FINISHED" if complete else "FAILED")

    def _batches(self, kind: str, rows: list[Any], most: int = 1000) -> None:
        from mlflow.entities import Metric, Param, RunTag

        made = {"metrics": Metric, "params": Param, "tags": RunTag}[kind]
        for first in range(0, len(rows), most):
            batch = [made(*row) for row in rows[first : first + most]]
            self._client.log_batch(self._id, **{kind: batch})
