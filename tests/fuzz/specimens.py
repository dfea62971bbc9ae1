"""What is broken: a small run, a sweep, their store and files of weights, made once per session.

made = make(directory)
made.run, made.sweep, made.store

Everything is made by the real commands. `Specimen.broken` puts a mutated file in
a file's place and, when the case is over, tells what else has changed, and puts all back.
"""

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import safetensors.torch
import torch
import torch.distributed.checkpoint as dcp

from tests import small
from tests.fuzz.explore import UnforeseenError
from tests.fuzz.mutations import Mutation
from tests.small import learnable, network


@dataclass
class Specimen:
    """Directories and files below `root`; `cwd`, where cases run, is empty."""

    root: Path
    _known: dict[str, tuple[tuple[int, ...], bytes]] = field(default_factory=dict)

    @property
    def cwd(self) -> Path:
        return self.root / "cwd"

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"

    @property
    def run(self) -> Path:
        return self.outputs / "runs" / "specimen"

    @property
    def sweep(self) -> Path:
        return self.outputs / "sweeps" / "specimen"

    @property
    def store(self) -> Path:
        return self.outputs / "trajectories"

    @property
    def weights(self) -> Path:
        return self.root / "weights"

    def remember(self) -> None:
        """What is there now is how it should be."""
        self._known = {
            path: (signature, Path(path).read_bytes()) for path, signature in _files(self.root)
        }

    def changed(self, written: Container[Path] = ()) -> list[str]:
        """What is not as it was, apart from what may be `written`; then it is, again."""
        said, there = [], dict(_files(self.root))
        for path in sorted(there.keys() - self._known.keys()):
            said += [] if Path(path) in written else [f"wrote {self._short(path)}"]
            Path(path).unlink()
        for path, (signature, content) in self._known.items():
            if there.get(path) == signature:
                continue
            file = Path(path)
            if path not in there or file.read_bytes() != content:
                how = "changed" if path in there else "deleted"
                said += [] if file in written else [f"{how} {self._short(path)}"]
                mode = file.stat().st_mode if path in there else 0o644
                file.parent.mkdir(parents=True, exist_ok=True)
                file.unlink(missing_ok=True)
                file.write_bytes(content)
                file.chmod(mode)
            self._known[path] = (_signature(file.lstat()), content)
        return said

    def _short(self, path: str | Path) -> str:
        return str(path).removeprefix(f"{self.root}/")

    @contextlib.contextmanager
    def broken(
        self, path: Path, mutation: Mutation, written: Container[Path] = ()
    ) -> Iterator[None]:
        """Hold a mutated file in the place of that at `path`. Raises UnforeseenError where, in the
        end, anything has changed but it and what may be `written`: also where code of the file was
        run, which leaves a file in the working directory."""
        aside, said = self.root.parent / "aside", list[str]()
        content = mutation(path.read_bytes())
        before = Path.cwd()
        path.rename(aside)  # links to it, and its time, are as they were
        path.write_bytes(content)
        os.chdir(self.cwd)
        try:
            yield
        finally:
            os.chdir(before)
            if path not in written and (not path.exists() or path.read_bytes() != content):
                said.append(f"changed {self._short(path)}")
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.replace(path)
            known = self._known[str(path)][1]
            self._known[str(path)] = (_signature(path.lstat()), known)
            said += self.changed(written)
            torch.set_num_threads(small.THREADS)
        if said:
            raise UnforeseenError("; ".join(said))


def _files(directory: str | Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every file below a directory, with what changes where it is written."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry.path, _signature(entry.stat(follow_symlinks=False))


def _signature(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def make(root: Path) -> Specimen:
    """A run of three epochs with all that `python -m polyak` makes of it; a sweep of two seeds and
    two windows, with a run that failed and one that was killed; files of weights."""
    made = Specimen(root)
    made.cwd.mkdir(parents=True)
    made.weights.mkdir()
    np.savez(root / "train.npz", **learnable(300, seed=0))
    np.savez(root / "test.npz", **learnable(90, seed=1))
    given = [*small.overrides(root, made.outputs), "dataset.validation=0.2", "name=specimen"]
    _train(root, *given, "training.epochs=3", "averaging.start=1")
    _train(root, "--multirun", *given, "training.epochs=2", "averaging.start=0,1", "seed=0,1")
    _commands(made.run)
    torch.save(network().state_dict(), made.run / "weights.pt")
    finished = made.sweep / "averaging.start=0,seed=0"
    _commands(finished)
    _add_unfinished(made.sweep, finished)
    _add_weights(made.weights)
    made.remember()
    return made


def _train(cwd: Path, *arguments: str) -> None:
    """src/train.py, in a process of its own: Hydra changes what logs do."""
    from tests import processes

    done = processes.run(arguments, cwd)
    assert done.returncode == 0, done.stderr


def _commands(run: Path) -> None:
    """Their figures are no specimens, and blank."""
    from polyak.__main__ import main

    grid = ("--grid", "3", "--points", "3")
    commands = (["windows", str(run)], ["distances", str(run)], ["path", str(run), *grid])
    with mock.patch("polyak.runs.style._render", small.blank):
        for given in commands:
            assert main(given) == 0


def _add_unfinished(sweep: Path, finished: Path) -> None:
    failed, killed = (sweep / f"averaging.start=1,seed={seed}" for seed in (2, 3))
    for directory in (failed, killed):
        shutil.copytree(finished, directory)
        (directory / "summary.json").unlink()
    failure = {"stage": "training", "epoch": 1, "kind": "DivergedError", "reason": "it diverged"}
    (failed / "failure.json").write_text(json.dumps(failure))


def _add_weights(directory: Path) -> None:
    """One file per format, each of the small network's weights."""
    state = network().state_dict()
    names = sorted(state)
    torch.save({"state_dict": state, "epoch": 3}, directory / "zip.pt")
    torch.save(state, directory / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(state, directory / "zip.bin")
    safetensors.torch.save_file(state, directory / "model.safetensors")
    for number, part in enumerate((names[:3], names[3:])):
        shard = {name: state[name] for name in part}
        safetensors.torch.save_file(shard, directory / f"shard-{number}.safetensors")
    places = {name: f"shard-{int(name not in names[:3])}.safetensors" for name in names}
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is one process
        dcp.save({"model": state, "epoch": 3}, checkpoint_id=directory / "distributed")
