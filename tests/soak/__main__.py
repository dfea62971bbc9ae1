"""Sweeps under joblib and Ray, with workers killed, the disk filled and freed, and files flipped.

    python -m tests.soak --minutes 60          # make soak
    python -m tests.soak --rounds 1 --launchers joblib --seed 0

A round starts the same small sweep in a new directory, harms it up to four times, and then gives
the same command once more, without faults: it must exit 0, with all points complete, and with the
bits of a reference that nothing harmed. Given once more after that, it must find all done. Prints
each round, faults by kind, and failures; exits 1 on any.
"""

import argparse
import contextlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.small import learnable
from tests.soak import faults
from tests.soak.sweeps import LAUNCHERS, Sweep, differences

LONGEST = 600
"""Seconds that a sweep of seconds may take before it counts as hanging."""


@dataclass
class Soak:
    """A directory to work in, and what has happened so far."""

    directory: Path
    chance: random.Random
    can_mount: bool = False
    faults: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """The most that a sweep without faults took, by launcher."""

    def __post_init__(self) -> None:
        self.arrays = self.directory / "arrays"
        self.arrays.mkdir(parents=True)
        np.savez(self.arrays / "train.npz", **learnable(300, seed=0))
        np.savez(self.arrays / "test.npz", **learnable(90, seed=1))
        self.reference = Sweep(self.directory / "reference" / "outputs", self.arrays)
        with faults.small_disk(self.directory / "probe") as self.can_mount:
            pass
        if self.finish(self.reference, "the reference"):
            sys.exit("\n".join([*self.reference.lines(), *self.failures]))

    def finish(self, sweep: Sweep, what: str) -> bool:
        """Give the command without faults; whether anything is wrong, which is then noted."""
        began, process = time.monotonic(), sweep.start()
        try:
            code: int | None = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            code = None
        faults.end(process)
        took = time.monotonic() - began  # little, where most was done before
        self.seconds[sweep.launcher] = max(took, self.seconds.get(sweep.launcher, 0.0))
        wrong = [] if code == 0 else [f"exit code {code}" if code is not None else "it hangs"]
        wrong += differences(sweep, self.reference)
        self.failures += [f"{what}: {one}" for one in wrong]
        if wrong:
            print("\n".join(sweep.lines()))
        return bool(wrong)

    def round(self, number: int, launcher: str) -> None:
        """One sweep, harmed and finished."""
        disk = self.directory / f"round_{number}_{launcher}"
        with faults.small_disk(disk) as mounted:
            sweep = Sweep(disk / "outputs", self.arrays, launcher)
            for _ in range(self.chance.randint(1, 4)):
                self._harm(sweep, disk if mounted else None)
            wrong = self.finish(sweep, f"round {number}, {launcher}")
            wrong = wrong or self.finish(sweep, f"round {number}, {launcher}, given once more")
            if wrong:  # a disk that is mounted goes with the round
                kept = self.directory / "kept" / disk.name
                shutil.copytree(disk, kept, symlinks=True)
                self.failures.append(f"round {number}, {launcher}: kept in {kept}")
        if not wrong:
            shutil.rmtree(disk)
        print(f"round {number}, {launcher}: {'FAILED' if wrong else 'bit-identical'}", flush=True)

    def _harm(self, sweep: Sweep, disk: Path | None) -> None:
        """Give the command, and let one thing go wrong while it runs, or after it has ended."""
        kind = self.chance.choice(["kill", "kill", "disk", "flip"])
        moment = self.chance.uniform(0.05, 1) * self.seconds.get(sweep.launcher, 20)
        largest = None
        if kind == "disk" and disk is None:
            largest = self.chance.randint(500, 30_000)
        process = sweep.start(largest)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        while kind == "flip" and process.poll() is None and not _began(sweep):
            time.sleep(0.1)
        said = "file size limited" if largest is not None else ""
        if kind == "kill" and process.poll() is None:
            said = faults.kill(process, self.chance)
        elif kind == "disk" and disk is not None:
            with faults.filled(disk), contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.chance.uniform(0.2, 5))
            said = "disk filled and freed"
        try:
            process.wait(LONGEST if kind != "flip" else self.chance.uniform(0, 5))
        except subprocess.TimeoutExpired:
            if kind != "flip":
                self.failures.append(f"after {said}, the sweep hangs")
        faults.end(process)  # what a killed process had started may be at work still
        if kind == "flip":
            said = faults.flip(sweep, self.chance)
        self.faults[said or "came too late"] += 1


def _began(sweep: Sweep) -> bool:
    """Whether a run of it has weights."""
    return any(sweep.directory.glob("*/checkpoints/*"))


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 where any round failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="default: 60")
    parser.add_argument("--rounds", type=int, default=10**6, help="at most so many")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument(
        "--launchers", nargs="+", choices=list(LAUNCHERS), default=["joblib", "ray"]
    )
    parser.add_argument("--directory", type=Path, help="default: a temporary one")
    given = parser.parse_args(arguments)
    deadline = time.monotonic() + 60 * given.minutes
    directory = given.directory or Path(tempfile.mkdtemp(prefix="soak_"))
    print(f"seed {given.seed}, in {directory}", flush=True)
    soak = Soak(directory, random.Random(given.seed))
    if not soak.can_mount:
        print("no disk can be mounted here: file sizes are limited in place of a full disk")
    rounds = 0
    while rounds < given.rounds and time.monotonic() < deadline:
        soak.round(rounds, given.launchers[rounds % len(given.launchers)])
        rounds += 1
    print(f"{rounds} rounds; faults: {sum(soak.faults.values())}")
    print("\n".join(f"{count:6}  {kind}" for kind, count in soak.faults.most_common()))
    print("\n".join(soak.failures) or "no failures")
    if not soak.failures and given.directory is None:
        shutil.rmtree(directory)
    return int(bool(soak.failures))


if __name__ == "__main__":
    sys.exit(main())
