"""From directories of sweeps or runs to tables, figures, statistics and a report.

    python -m analysis outputs/sweeps/NAME                        everything, into NAME/analysis/
    python -m analysis figure gain_by_start outputs/sweeps/NAME   one figure
    python -m analysis table outputs/sweeps/NAME                  the result and its tables, printed

Reads files only, never trains or evaluates, and takes sweeps that still run or failed in part.
docs/analysis.md defines every number.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from analysis.compare.estimators import budgets, names_of_budgets
from analysis.compare.fair import MARGIN, Answer, NoAnswer, answer_of
from analysis.compare.groups import Group, comparison_groups
from analysis.figures import catalogue
from analysis.figures.catalogue import ACROSS, FIGURES, OF_ANSWER
from analysis.read.directories import AnalysisError
from analysis.read.load import Loaded, load
from analysis.read.verify import disagreements
from analysis.report import exports, page, terminal
from analysis.report.section import WithFigures, answered, folder_of, section_of, together
from analysis.wording import count
from polyak.arguments import real
from polyak.errors import PolyakError

COMMANDS = {
    "report": "everything (this word may be left out)",
    "figure": f"one figure: {', '.join(FIGURES)}",
    "table": "print the result and its tables; write nothing",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 with one message where the directories can't be analysed."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] not in (*COMMANDS, "-h", "--help"):
        given.insert(0, "report")
    options = _parser().parse_args(given)
    for stream in (sys.stdout, sys.stderr):  # names may hold what a terminal can't show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(options, given[1:])
    except BrokenPipeError:  # the reader has seen enough: `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (PolyakError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    out = options.out or options.directories[0] / "analysis"
    reporting = options.command == "report"
    loaded = load(options.directories)
    if options.verify and not _verified(loaded):
        return 1
    groups = comparison_groups(loaded)
    if reporting:
        exports.write_runs(loaded, groups, out)
    if not groups:
        print(terminal.no_results(loaded))
        written = f" ({out} has runs.csv and epochs.csv)" if reporting else ""
        raise AnalysisError(f"no run has finished yet: there is no result{written}")
    if options.command == "figure":
        return _figure(options, groups, out)
    answers = _answers(options, groups)
    of_answer, of_all, of_group = (
        (OF_ANSWER, ACROSS, catalogue.of_group()) if reporting else ((), (), ())
    )
    if reporting:
        catalogue.clear(catalogue.FIGURES, out / "figures")
    sections = [section_of(group, folder_of(group, groups, out), of_group) for group in groups]
    of_answers = answered(answers, out / "figures", of_answer)
    all_together = together(answers, out / "figures", of_all)
    if reporting:
        exports.write_findings(sections, out)
        exports.write_answers(answers, out)
        exports.write_across(all_together.across, out)
        path = out / "report.html"
        page.write(path, loaded, of_answers, all_together, sections, arguments)
    print(terminal.results(loaded, answers, all_together.across, sections))
    if reporting:
        print(f"\n{out / 'report.html'}")
    return 0


def _verified(loaded: Loaded) -> bool:
    """Whether all finished runs agree with their predictions; a line for each that does not."""
    finished = loaded.runs.loc[loaded.runs["status"] == "finished", "directory"]
    lines = [line for run in finished for line in disagreements(Path(run))]
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    if not lines:
        print(f"{count(len(finished), 'run')}: all numbers are those of the predictions")
    return not lines


def _answers(options: argparse.Namespace, groups: Sequence[Group]) -> list[Answer | NoAnswer]:
    found, metrics = budgets(groups), {one.name: one for group in groups for one in group.metrics}
    if options.metric is not None and options.metric not in metrics:
        raise AnalysisError(
            f"--metric {options.metric}: the runs don't have it; allowed: {', '.join(metrics)}"
        )
    metric = metrics.get(options.metric)
    return [
        answer_of(budget, metric, options.margin, name)
        for budget, name in zip(found, names_of_budgets(found), strict=True)
    ]


def _figure(options: argparse.Namespace, groups: Sequence[Group], out: Path) -> int:
    """One figure of every budget, of all of them, or of every group: 0 where each was drawn."""
    name, width, folder = options.name, options.width, out / "figures"
    catalogue.clear([name], folder)
    found: list[tuple[str, WithFigures]]
    if name in OF_ANSWER:
        given = answered(_answers(options, groups), folder, [name], width)
        found = [(one.answer.title if len(given) > 1 else "", one) for one in given]
    elif name in ACROSS:
        found = [("", together(_answers(options, groups), folder, [name], width))]
    else:
        found = [
            (group.name, section_of(group, folder_of(group, groups, out), [name], width))
            for group in groups
        ]
    for where, one in found:
        for figure in one.drawn:
            print(f"{figure.png}\n{figure.pdf}\n{figure.caption}")
        for _, reason in one.not_drawn:
            print(f"error: {name}{f' ({where})' if where else ''}: {reason}", file=sys.stderr)
    return 0 if all(one.drawn for _, one in found) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis",
        usage="python -m analysis [report | figure NAME | table] DIRECTORY [DIRECTORY ...]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", prog="python -m analysis"
    )
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name == "figure":
            command.add_argument("name", choices=FIGURES, metavar="FIGURE", help=", ".join(FIGURES))
        command.add_argument(
            "directories",
            nargs="+",
            type=Path,
            metavar="DIRECTORY",
            help="sweeps or runs of train.py, or directories of them",
        )
        command.set_defaults(out=None, verify=False)
        command.add_argument(
            "--metric",
            metavar="NAME",
            help="by which the answer's two sides are selected and compared: accuracy, loss, "
            "calibration_error or another that the runs have; name it beforehand (default: the "
            "one that the runs name, else accuracy)",
        )
        command.add_argument(
            "--margin",
            type=_margin,
            default=MARGIN,
            metavar="POINTS",
            help="the smallest difference that would matter, for equivalence: in points, of "
            f"loss in hundredths of a nat, of others in hundredths (default {100 * MARGIN:g})",
        )
        if name == "figure":
            command.add_argument(
                "--width",
                type=partial(real, fits=lambda one: 3 <= one <= 20, allowed="from 3 to 20"),
                metavar="INCHES",
                help="of the figure: 3.4 for one column of a paper (default: its own, at most 7)",
            )
        else:
            command.add_argument(
                "--verify",
                action="store_true",
                help="first compute every run's numbers again from its predictions/, and stop "
                "where one differs",
            )
        if name != "table":
            command.add_argument(
                "--out", type=Path, help="default: the first DIRECTORY's analysis/"
            )
    return parser


def _margin(text: str) -> float:
    """A fraction, of a text in points."""
    return real(text, lambda points: 0.01 <= points <= 100, "from 0.01 to 100") / 100


if __name__ == "__main__":
    sys.exit(main())
