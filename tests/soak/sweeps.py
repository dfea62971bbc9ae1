"""The sweep that a soak runs over and over, and whether it has come out as it should.

reference = Sweep(directory / "reference", arrays).finish()
sweep = Sweep(outputs, arrays, "joblib")
process = sweep.start()
differences(sweep.outputs, reference.outputs)
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.results import assert_same_results
from tests.small import ROOT, overrides

STARTS, SEEDS = (0, 1), (0, 1)
EPOCHS = 8
NAME = "soak"
LAUNCHERS = {
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    "ray": ("hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2"),
    "basic": (),
}


@dataclass
class Sweep:
    """A sweep of four points, two to a trajectory, with all outputs below `outputs`."""

    outputs: Path
    arrays: Path
    launcher: str = "basic"

    @property
    def log(self) -> Path:
        """What all its commands have printed."""
        return self.outputs.with_name(f"{self.outputs.name}.log")

    @property
    def directory(self) -> Path:
        return self.outputs / "sweeps" / NAME

    @property
    def points(self) -> list[str]:
        return [f"averaging.start={start},seed={seed}" for start in STARTS for seed in SEEDS]

    def start(self, largest_file: int | None = None) -> subprocess.Popen[bytes]:
        """The command, in a session of its own; `largest_file` in bytes."""
        import resource

        def limit() -> None:
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        axes = (f"averaging.start={_list(STARTS)}", f"seed={_list(SEEDS)}")
        given = [*overrides(self.arrays, self.outputs), f"training.epochs={EPOCHS}", *axes]
        given += ["training.threads=1", "training.batch_size=8", f"name={NAME}"]
        self.outputs.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, str(ROOT / "src" / "train.py"), "--multirun"),
                    *(*given, *LAUNCHERS[self.launcher]),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.outputs.parent,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "RAY_DEDUP_LOGS": "0"},
                preexec_fn=limit,
                start_new_session=True,
            )

    def lines(self) -> list[str]:
        """The last of what it has printed."""
        return self.log.read_text(errors="replace").splitlines()[-30:]


def _list(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))


def differences(sweep: Sweep, reference: Sweep) -> Iterator[str]:
    """What of a sweep that has ended is not as in the reference, bit for bit: results, weights and
    logits of each point, and of the trajectories, whose `state/` no run needs any more."""
    for point in sweep.points:
        if not (sweep.directory / point / "summary.json").exists():
            yield f"{point}: no summary.json"
            continue
        try:
            assert_same_results(sweep.directory / point, reference.directory / point)
        except AssertionError as error:
            yield f"{point}: {str(error)[:300] or 'its files of tensors differ'}"
    one, two = (_tensors(each.outputs / "trajectories") for each in (sweep, reference))
    for name in sorted(one.keys() | two.keys()):
        if one.get(name) != two.get(name):
            yield f"trajectories/{name}: {'differs' if name in one and name in two else 'only one'}"
    for path in sweep.outputs.rglob(".*.tmp*"):
        yield f"{path.relative_to(sweep.outputs)}: left half written"


def _tensors(store: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*.safetensors")
        if path.parent.name != "state"
    }
