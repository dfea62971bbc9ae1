"""Commands in processes that are forked from one with all imports done: seconds less a command."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import traceback
from pathlib import Path

TRAIN = Path(__file__).resolve().parents[1] / "src" / "train.py"

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.preloaded"])


def run(arguments: list[str], cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """What `python src/train.py` with those arguments does in `cwd`."""
    printed = [cwd / f".{name}.{len(list(cwd.glob('.std*')))}" for name in ("stdout", "stderr")]
    env = {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}
    process = context.Process(target=_train, args=(arguments, cwd, env, printed))
    process.start()
    process.join(timeout)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise subprocess.TimeoutExpired(arguments, timeout)
    stdout, stderr = (path.read_text() for path in printed)
    return subprocess.CompletedProcess(arguments, process.exitcode, stdout, stderr)


def _train(arguments: list[str], cwd: Path, env: dict[str, str], printed: list[Path]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
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
