"""From directories of sweeps or runs to tables, figures, statistics and a report.

    python -m analysis outputs/sweeps/NAME                        everything, into NAME/analysis/
    python -m analysis figure gain_by_start outputs/sweeps/NAME   one figure
    python -m analysis table outputs/sweeps/NAME                  the answer and its tables, printed

Reads files only: it never trains or evaluates, and takes sweeps that still run or failed in part.
docs/analysis.md says what is computed, and how.
"""

import argparse
import io
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from analysis.compare.groups import Facet, facets
from analysis.read.directories import AnalysisError
from analysis.read.load import Loaded, load
from analysis.report import exports, tables
from analysis.report.page import counts, write
from analysis.report.section import Section, folder_of, section_of

COMMANDS = ("report", "figure", "table")
# Those of figures.catalogue, which a test compares: --help must not wait for matplotlib.
FIGURES = (
    *("gain_by_start", "heat_map", "accuracy_by_epoch", "ensemble"),
    *("schemes", "windows", "calibration", "distances"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 with one message where the directories can't be analysed."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] not in (*COMMANDS, "-h", "--help"):
        given.insert(0, "report")
    options = _parser().parse_args(given)
    out = options.out or options.directories[0] / "analysis"
    for stream in (sys.stdout, sys.stderr):  # names may hold what a terminal can't show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        loaded = load(options.directories)
        found = facets(loaded)
        if options.command == "report":
            exports.tables(loaded, found, out)
        if not found:
            print(_lacking(loaded))
            written = f" ({out} has runs.csv and epochs.csv)" if options.command == "report" else ""
            raise AnalysisError(f"no run has finished yet: there is no answer{written}")
        if options.command == "figure":
            return _figure(options.name, found, out)
        drawing = FIGURES if options.command == "report" else ()
        sections = [section_of(facet, folder_of(facet, found, out), drawing) for facet in found]
        if options.command == "report":
            exports.answers(sections, out)
            write(out / "report.html", loaded, sections, given[1:])
        print(text(loaded, sections))
        if options.command == "report":
            print(f"\n{out / 'report.html'}")
    except BrokenPipeError:  # the reader has seen enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (AnalysisError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis",
        usage="python -m analysis [report | figure NAME | table] DIRECTORY [DIRECTORY ...]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    helps = {
        "report": "everything (this word may be left out)",
        "figure": f"one figure: {', '.join(FIGURES)}",
        "table": "print the answer and its tables; write nothing",
    }
    for name in COMMANDS:
        command = commands.add_parser(name, help=helps[name], description=helps[name])
        if name == "figure":
            command.add_argument("name", choices=FIGURES, metavar="FIGURE", help=", ".join(FIGURES))
        command.add_argument(
            "directories",
            nargs="+",
            type=Path,
            metavar="DIRECTORY",
            help="sweeps or runs of train.py, or directories of them",
        )
        command.set_defaults(out=None)
        if name != "table":
            command.add_argument(
                "--out", type=Path, help="default: the first DIRECTORY's analysis/"
            )
    return parser


def _figure(name: str, found: Sequence[Facet], out: Path) -> int:
    sections = [section_of(facet, folder_of(facet, found, out), [name]) for facet in found]
    for section in sections:
        for figure in section.drawn:
            print(f"{figure.png}\n{figure.pdf}\n{figure.caption}")
        for _, reason in section.not_drawn:
            where = f" ({section.facet.name})" if section.facet.name else ""
            print(f"error: {name}{where}: {reason}", file=sys.stderr)
    return 0 if all(section.drawn for section in sections) else 1


def text(loaded: Loaded, sections: Sequence[Section], most: int = 10) -> str:
    """What a person sees on the terminal."""
    width = min(100, shutil.get_terminal_size().columns)
    paragraphs = [counts(loaded), *(f"note: {note}" for note in loaded.notes)]
    parts = [textwrap.fill(one, width) for one in paragraphs]
    for section in sections:
        facet, answer = section.facet, section.answer
        paragraphs = [f"{facet.title}: {facet.population}"]
        paragraphs += [f"note: {note}" for note in [*facet.notes, *section.notes]]
        paragraphs += ["", section.verdict, *section.sentences, ""]
        parts += ["", *(textwrap.fill(one, width) for one in paragraphs)]
        parts += [tables.beside(facet, answer).to_string(index=False), ""]
        parts.append(tables.candidates(answer, most=most).to_string(index=False))
        if (hidden := len(answer.candidates) - most) > 0:
            parts.append(f"the report and candidates.csv have {hidden} more candidates")
    return "\n".join([*parts, *_lacking_lines(loaded)])


def _lacking(loaded: Loaded) -> str:
    return "\n".join([counts(loaded), *_lacking_lines(loaded)])


def _lacking_lines(loaded: Loaded, most: int = 20) -> list[str]:
    """The runs without numbers: a line each, the missing together."""
    table = tables.lacking(loaded.runs)
    missing = table.loc[table["status"] == "missing", "run"].tolist()
    others = table[table["status"] != "missing"].to_dict("records")
    lines = [f"{run['status']}: {run['run']}: {run['reason']}" for run in others]
    hidden = len(lines) - most
    lines = lines[:most] + ([f"... and {hidden} more"] if hidden > 0 else [])
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        lines.append(f"missing (not begun): {missing[0]}{more}")
    return ["", *lines] if lines else []


if __name__ == "__main__":
    sys.exit(main())
