"""What goes wrong with a sweep in a soak.

kill(process, chance)        # one of its processes, at random, with SIGKILL
with filled(outputs): ...    # no byte is free on its disk
flip(sweep, chance)          # bits of its files
"""

import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.soak.sweeps import Sweep


def started(process: int) -> list[int]:
    """Ids of the processes in the session of a process that began it, itself first: also of those
    whose own parents have ended. Only where there is /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
            if int(session) == process and state != "Z":
                found.append(int(path.parent.name))
    return sorted(found, key=lambda one: (one != process, one))


def kill(process: subprocess.Popen[bytes], chance: random.Random) -> str:
    """One of a sweep's processes, most often a worker; which, in words."""
    workers = [one for one in started(process.pid) if one != process.pid]
    if not workers or chance.random() < 0.2:
        end(process)
        return "kill -9 of the sweep"
    names = {one: _name(one) for one in workers}
    at_work = [one for one, name in names.items() if name.startswith(("loky", "ray::_run_job"))]
    chosen = chance.choice(at_work if at_work and chance.random() < 0.75 else workers)
    name = names[chosen]
    with contextlib.suppress(ProcessLookupError):
        os.kill(chosen, signal.SIGKILL)
    return f"kill -9 of {name}"


def _name(process: int) -> str:
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        shown = Path(command[0].decode(errors="replace").split()[0]).name
    except (OSError, IndexError):
        return "a process that had ended"
    kinds = [
        kind for kind in ("loky", "raylet", "gcs_server") if kind.encode() in b" ".join(command)
    ]
    return kinds[0] if kinds else shown


def end(process: subprocess.Popen[bytes]) -> None:
    """A sweep and all that it has started; nothing else."""
    while there := started(process.pid):
        for one in there:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    process.wait()


@contextlib.contextmanager
def small_disk(directory: Path, megabytes: int = 64) -> Iterator[bool]:
    """A file system of its own at `directory`, where this user may mount one; whether it is."""
    directory.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "soak", str(directory)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:  # a system without mount
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)


@contextlib.contextmanager
def filled(directory: Path) -> Iterator[None]:
    """No byte is free on the disk of `directory`, which is a small one."""
    path = directory / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
        try:
            yield
        finally:
            path.unlink()


def flip(sweep: Sweep, chance: random.Random) -> str:
    """Bits of up to three files of a trajectory and of a run that needs it, which is then not
    finished: nothing looks again at the files of a run that is, until one needs its trajectory."""
    runs = [path for path in sweep.directory.glob("*") if (path / "checkpoints").is_dir()]
    if not runs:
        return "nothing to flip yet"
    run = chance.choice(sorted(runs))
    (run / "summary.json").unlink(missing_ok=True)
    names = sorted(path for path in run.rglob("*.safetensors"))
    link = next(iter((run / "checkpoints").glob("*.safetensors")), None)
    if link is not None:
        names += _trajectory_of(sweep, link)
    chosen = chance.sample(names, min(3, len(names)))
    for path in chosen:
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.chmod(0o644)
        with path.open("r+b") as file:  # in place: its links have the same bits
            file.write(content)
        path.chmod(0o444)
    return f"{len(chosen)} files flipped"


def _trajectory_of(sweep: Sweep, link: Path) -> list[Path]:
    for path in sweep.outputs.glob("trajectories/*/checkpoints/*"):
        if path.samefile(link):
            return sorted(path.parents[1].rglob("*.safetensors"))
    return []
