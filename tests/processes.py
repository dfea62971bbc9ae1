"""train.py in processes of its own. Tests get this module from the fixture `processes`.

done = run(["name=mine"], tmp_path)        # forked from a process with all imports: seconds less
running = start(["name=mine"], tmp_path)   # the same, to be waited for or killed
done = run(["name=mine"], tmp_path, fresh=True)   # a Python of its own, as a person starts it

Figures of a forked one are blank, unless they are asked for: run(..., drawn=True).
"""

import contextlib
import itertools
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest import mock

from polyak.runs import style
from tests.small import ROOT, blank

TRAIN = ROOT / "src" / "train.py"

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.preloaded"])
_number = itertools.count()


class Running:
    """train.py at work in `cwd`; what it prints is in files there."""

    def __init__(
        self,
        arguments: Sequence[object],
        cwd: Path,
        fresh: bool = False,
        drawn: bool = False,
        **env: str,
    ) -> None:
        self.arguments = [str(one) for one in arguments]
        number = f"{os.getpid()}_{next(_number)}"
        self._files = [cwd / f".std{kind}.{number}" for kind in ("out", "err")]
        environment = {**os.environ, **env}
        environment.pop("HYDRA_FULL_ERROR", None)
        task = (self.arguments, cwd, environment, self._files)
        self._process = _fresh(*task) if fresh else _forked(*task, drawn)

    @property
    def returncode(self) -> int | None:
        if isinstance(self._process, subprocess.Popen):
            return self._process.poll()
        return self._process.exitcode

    def printed(self) -> tuple[str, str]:
        """Standard output and errors, so far."""
        both = [file.read_text() if file.exists() else "" for file in self._files]
        return both[0], both[1]

    def wait_until(self, seen: Callable[[], object], seconds: float = 90) -> None:
        """Until `seen` says so, while it runs."""
        deadline = time.monotonic() + seconds
        while not seen():
            assert self.returncode is None or seen(), self.printed()
            assert time.monotonic() < deadline, self.printed()
            self._join(0.001)

    def send(self, sent: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, sent)

    def kill(self) -> None:
        self._process.kill()
        self._join(None)

    def wait(self, seconds: float = 240) -> subprocess.CompletedProcess[str]:
        self._join(seconds)
        code = self.returncode
        if code is None:
            self.kill()
            raise subprocess.TimeoutExpired(self.arguments, seconds, *self.printed())
        return subprocess.CompletedProcess(self.arguments, code, *self.printed())

    def _join(self, seconds: float | None) -> None:
        if isinstance(self._process, subprocess.Popen):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        else:
            self._process.join(seconds)


start = Running


def run(
    arguments: Sequence[object],
    cwd: Path,
    fresh: bool = False,
    drawn: bool = False,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    return start(arguments, cwd, fresh, drawn, **env).wait()


def forked(function: Callable[..., None], *arguments: object) -> BaseProcess:
    """A function of a test module, at work in a process of its own that has all imports."""
    _ensure_server()
    process = _context.Process(target=function, args=arguments, daemon=True)
    process.start()
    return process


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """`python -c code`, which can import what is in src/."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )


def _ensure_server() -> None:
    """Its imports must be those of this repository, also where another copy is installed: Python
    gives it no path but this variable. Some settings of the person's have memory kept, and taken in
    huge pages."""
    env = {key: one for key, one in os.environ.items() if not key.startswith(("MALLOC", "THP"))}
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    with mock.patch.dict(os.environ, {**env, "PYTHONPATH": path}, clear=True):
        forkserver.ensure_running()


def _fresh(
    arguments: list[str], cwd: Path, env: dict[str, str], printed: list[Path]
) -> subprocess.Popen[bytes]:
    with printed[0].open("wb") as out, printed[1].open("wb") as err:
        return subprocess.Popen(
            [sys.executable, str(TRAIN), *arguments],
            stdout=out,
            stderr=err,
            cwd=cwd,
            env=env,
            preexec_fn=_take_interrupts,
        )


def _forked(
    arguments: list[str], cwd: Path, env: dict[str, str], printed: list[Path], drawn: bool
) -> BaseProcess:
    _ensure_server()
    task = (arguments, cwd, env, printed, drawn)
    process = _context.Process(target=_train, args=task, daemon=True)
    process.start()
    return process


def _take_interrupts() -> None:
    """Tests that run in a shell's background inherit that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup ignores, and a shell's job may


def _train(
    arguments: list[str], cwd: Path, env: dict[str, str], printed: list[Path], drawn: bool
) -> None:
    if not drawn:
        style._render = blank
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    _take_interrupts()
    for path, descriptor in zip(printed, (1, 2), strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    sys.argv = [str(TRAIN), *arguments]
    code = 0
    try:
        runpy.run_path(str(TRAIN), run_name="__main__")
    except SystemExit as stop:  # as Python itself ends
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
