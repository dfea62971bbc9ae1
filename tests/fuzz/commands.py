"""The commands in this process, as their own `main` runs them, but strict: an error that a person
can resolve is a PolyakError, an AnalysisError or an OSError, which names its file. `main` prints
any ValueError too, as bare as it comes.

polyak("store", "verify", "--store", directory)     # its exit code
"""

import contextlib
import io
from unittest import mock

import analysis.__main__ as analysis_main
from polyak import __main__ as polyak_main
from polyak import arguments
from polyak.errors import PolyakError

_COMMANDS = {command.__name__: command for command in polyak_main.COMMANDS}


@contextlib.contextmanager
def _printed():
    """What is printed goes through the encoding of a terminal."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield
        out.flush()
        err.flush()


def polyak(*given: str) -> int:
    """`python -m polyak` with those arguments: 0, or 1 where it says why not."""
    with _printed():
        parsed = arguments.parse(given)
        try:
            return _COMMANDS[parsed.command](parsed)
        except (PolyakError, OSError) as error:
            print(f"error: {error}")
            return 1


def analysis(*given: str) -> int:
    """`python -m analysis` with those arguments."""
    with _printed(), mock.patch("sys.argv", ["analysis"]):
        return analysis_main.main(given)
