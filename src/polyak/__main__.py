"""The commands: parse, call the one that is asked for, exit as it says.

    python -m polyak windows|widths|path|distances|track|average|score|store --help

Exit codes: 0; 1 where a command fails, which says why; 2 for wrong arguments; 130 interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from polyak import allocator, arguments
from polyak.commands.of_files import average, score, store
from polyak.commands.of_runs import distances, path, track, widths, windows
from polyak.errors import PolyakError

EVALUATING = ("windows", "widths", "path", "score")
COMMANDS = (windows, widths, path, distances, track, average, score, store)


def main(given: Sequence[str] | None = None) -> int:
    """Run the command of those arguments (None: the process's); returns its exit code.

    Raises SystemExit for wrong arguments and after help.
    """
    try:
        try:
            parsed = arguments.parse(given)
            if given is None and parsed.command in EVALUATING:
                allocator.keep_freed_memory()  # of this process, which ends with the command
            return _run(parsed)
        finally:
            sys.stdout.flush()
    except OSError as error:  # what is printed can't be written; Python would try again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader has left, as `| head` does
            return 141  # as of a program that SIGPIPE ends
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(given: argparse.Namespace) -> int:
    try:
        return {command.__name__: command for command in COMMANDS}[given.command](given)
    except BrokenPipeError:
        raise
    except (PolyakError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        continues = (
            ": the same command continues"
            if given.command in ("windows", "widths", "path", "track")
            else ""
        )
        print(f"interrupted{continues}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
