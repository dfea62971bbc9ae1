"""What each command takes, and its help. It imports argparse alone, so that help comes at once.

given = parse(["windows", "outputs/runs/NAME", "--starts", "0:20:2"])
given.command, given.run, given.starts
"""

import argparse
import math
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

MOST_WORKERS = 256

WINDOWS = """\
evaluate every window of a finished run, and draw the map

    python -m polyak windows outputs/runs/NAME
    python -m polyak windows outputs/runs/NAME --starts 0:20:2 --ends 10:21 --splits validation

Writes windows.csv and figures/windows.png into the run's directory. Interrupted, the same command
continues: windows.csv keeps what is there.

With a function of your own that evaluates a state dict, RUN is a recording (docs/own-training.md):

    python -m polyak windows outputs/recorded/my_run --evaluate my_file.py:evaluate
"""

WIDTHS = """\
evaluate averages of every width of a finished run that has step means

    python -m polyak widths outputs/runs/NAME
    python -m polyak widths outputs/runs/NAME --shares 0.005 0.01 0.02

For each share of the training, the mean over its last steps, and the exponential moving average
with that half-life: as if each had been kept while training. The run is one with recording=means
averaging.of=steps averaging.start=0. Writes widths.csv and figures/widths.png into its directory.
Interrupted, the same command continues. With --evaluate FILE.py:NAME, RUN is a recording.
"""

PATH = """\
evaluate the line and the plane through a finished run's weights

    python -m polyak path outputs/runs/NAME
    python -m polyak path outputs/runs/NAME --grid 21 --margin 0.5 --splits train validation

The line goes from the window's first checkpoint through the average to its last, the plane through
its first, middle and last. Writes path.csv and figures/path.png into the run's directory.
Interrupted, the same command continues: path.csv keeps what is there.
"""

DISTANCES = """\
measure how far apart a finished run's checkpoints lie

    python -m polyak distances outputs/runs/NAME

Writes distances.csv into the run's directory: Euclidean distance and cosine of the weights of each
two epochs, and of each epoch and the average. Needs the run's files alone, no images.
"""

TRACK = """\
show finished runs in TensorBoard, Weights & Biases or MLflow

    python -m polyak track outputs/runs/NAME --to tensorboard
    python -m polyak track outputs/sweeps/NAME --to mlflow --set experiment=my_sweep
    python -m polyak track outputs/runs/NAME --to wandb --set mode=online

From the files of each run in or below DIR: metrics, the average's scores and gains, figures,
configuration. A run that is tracked again is there once. As train.py does it while a run trains,
with tracking=tensorboard and tracking.KEY=VALUE. Needs the tool: pip install -e '.[tensorboard]'.
"""

AVERAGE = """\
average files of weights, whoever made them

    python -m polyak average OUT.safetensors A.safetensors B.pt C.pth
    python -m polyak average OUT.safetensors A B C --scheme exponential --set decay=0.9
    python -m polyak average OUT.safetensors A B --weights 0.25 0.75
    python -m polyak average OUT STEP_1 STEP_2 --max-shard-size 2GB --workers 4
    python -m polyak average OUT STEP_1 STEP_2 --format dcp

A, B, ... are .safetensors, .safetensors.index.json, .pt, .pth or .bin files, or directories: of
torch.distributed.checkpoint, or with a model.safetensors.index.json. They are taken in the order
given, as the checkpoints of epochs 0, 1, ... of one trajectory. No code that is in a file is run.
Memory holds a block of one tensor at a time. With --max-shard-size, OUT is a directory; with
--format dcp one of torch.distributed.checkpoint, while which is written the disk has it twice.
"""

SCORE = """\
evaluate a file of weights on a split

    python -m polyak score WEIGHTS dataset=svhn
    python -m polyak score WEIGHTS --run outputs/runs/NAME --split validation

WEIGHTS is a .safetensors, .pt or .pth file, whose names and shapes are those of the model. Model
and data are those of a finished run, or are given as for train.py. Prints accuracy, loss and
calibration error, and writes them to DIR/scores.json, and to DIR/predictions.csv for each image its
position in the source, its label, and the predicted class with its probability.
"""

STORE = """\
list, verify, thin or remove the trajectories on disk

    python -m polyak store list
    python -m polyak store verify [FINGERPRINT ...]
    python -m polyak store remove [FINGERPRINT ...]         what would be removed
    python -m polyak store remove [FINGERPRINT ...] --yes   remove it
    python -m polyak store thin --best 3 [FINGERPRINT ...]  of what is recorded within epochs, keep
                                                            that of the three best windows

Only trajectories that no run needs are removed, and of them only files that training has written. A
run needs a trajectory while its directory is where it was and has its links, or while any other
directory has links to the files. `thin` reads the windows.csv that `windows` writes; checkpoints of
epochs' ends stay, and all that any directory has a link to.
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of one command (None: the process's), whose name is `command`.

    Raises SystemExit: 2 where they are wrong, 0 after help.
    """
    parser = _parser()
    given, rest = parser.parse_known_args(arguments)
    if rest and (not hasattr(given, "more") or any(one.startswith("-") for one in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # argparse takes the first of `more` after an option only since Python 3.12
        given.more += rest
    return given


def _parser() -> argparse.ArgumentParser:
    installed = Path(sys.argv[0]).name == "polyak"
    parser = argparse.ArgumentParser(
        prog="polyak" if installed else "python -m polyak",
        description="Look at finished runs, at files of weights and at stored trajectories.",
    )
    commands = parser.add_subparsers(
        required=True, dest="command", metavar="COMMAND", title="commands"
    )

    def command(name: str, text: str, *parents: argparse.ArgumentParser) -> Callable[..., object]:
        """What adds its own arguments after those of its `parents`."""
        made = commands.add_parser(
            name,
            help=text.partition("\n")[0],
            description=text[0].upper() + text[1:],
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            parents=parents,
        )
        return made.add_argument

    run, recording = _run(), _recording()
    splits: dict[str, Any] = {"nargs": "+", "metavar": "SPLIT"}
    settings: dict[str, Any] = {"action": "append", "default": [], "metavar": "KEY=VALUE"}

    add = command("windows", WINDOWS, run, recording)
    add("--starts", help="first epochs: a:b (without b), a:b:step or a,b,c")
    add("--ends", help="ends, one past the last epoch, in the same ways")
    add("--splits", **splits, help="default: all, validation and test")

    add = command("widths", WIDTHS, run, recording)
    add("--shares", type=_share, nargs="+", metavar="SHARE", help="of the training, 0.01 is 1 %%")
    add("--splits", **splits, help="default: all, validation and test")

    add = command("path", PATH, run)
    add("--points", type=int, default=11, help="from the average to each end (default: 11)")
    add("--grid", type=int, default=9, help="points of the plane per direction (default: 9)")
    add(
        "--margin",
        type=float,
        default=0.3,
        metavar="SHARE",
        help="how far beyond the checkpoints, of their distance (default: 0.3)",
    )
    add(
        "--splits",
        **splits,
        default=["train", "test"],
        help="drawn: the loss on train, the error on others (default: train test)",
    )
    add("--line-only", action="store_true", help="leave the plane out")

    command("distances", DISTANCES, run)

    add = command("track", TRACK)
    add("directories", type=Path, nargs="+", metavar="DIR", help="of a run, a sweep or of several")
    add("--to", required=True, metavar="TOOL", help="tensorboard, wandb or mlflow")
    add("--set", **settings, help="of conf/tracking/TOOL.yaml")

    add = command("average", AVERAGE)
    add("output", type=Path, metavar="OUT", help="OUT.safetensors")
    add("files", type=Path, nargs="+", metavar="FILE")
    add("--scheme", metavar="NAME", help="default: uniform")
    add("--set", **settings, help="of the scheme")
    add("--weights", type=float, nargs="+", help="one per file, that sum to 1")
    add(
        "--max-shard-size",
        type=_bytes,
        metavar="SIZE",
        help="of each file in the directory OUT: 500MB, 2GB, 2GiB",
    )
    add(
        "--format",
        choices=["safetensors", "dcp"],
        default="safetensors",
        help="of OUT (default: safetensors); dcp: what torch.distributed.checkpoint loads",
    )
    add(
        "--workers",
        type=_workers,
        default=1,
        metavar="N",
        help="processes that share the work (default: 1)",
    )

    add = command("score", SCORE)
    add("weights", type=Path, metavar="WEIGHTS")
    add("more", nargs="*", metavar="OVERRIDE", help="as for train.py: dataset=...")
    add("--run", type=Path, help="a finished run, for its model and data")
    add("--split", default="test", help="test (default), validation or train")
    add(
        "--batch-norm",
        choices=["auto", "refresh", "keep"],
        default="auto",
        help="compute its statistics on the training images; auto: of a file that `average` made",
    )
    add("--output", type=Path, metavar="DIR", help="default: outputs/scores/<time>")

    add = command("store", STORE)
    add("action", choices=["list", "verify", "thin", "remove"])
    add("more", nargs="*", metavar="FINGERPRINT", help="these; without any, all")
    add("--store", type=Path, metavar="DIR", help="default: outputs/trajectories")
    add("--yes", action="store_true", help="thin, remove: really delete")
    add("--best", type=_count, metavar="N", help="thin: the windows of a run whose epochs it keeps")
    return parser


def _run() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run's directory")
    return parser


def _recording() -> argparse.ArgumentParser:
    """The options with which a recording takes a run's place."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("of a recording", "FILE.py is run: it is your own code")
    add, name = group.add_argument, "FILE.py:NAME"
    add("--evaluate", metavar=name, help="a function of a state dict that evaluates it")
    add("--refresh", metavar=name, help="batches for batch norm's statistics")
    add("--model", metavar=name, help="the module that they are of")
    treatments = ["refresh", "average", "last"]
    add("--batch-norm", choices=treatments, default="refresh", help="of averages")
    add("--metric", metavar="NAME", help="to select by (default: accuracy)")
    add("--lower", action="store_true", help="less of --metric is better")
    return parser


_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def _bytes(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]*)", text)
    size = int(found[1]) * _UNITS.get(found[2].upper(), 0) if found else 0
    if not size:
        raise argparse.ArgumentTypeError(f"{text}: allowed: a number from 1 with KB, MB, GB or GiB")
    return size


def _count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError(f"{text}: allowed: a number from 1")
    return int(text)


def _workers(text: str) -> int:
    count = int(text) if re.fullmatch("[0-9]{1,4}", text) else 0
    if not 0 < count <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text}: allowed: 1 to {MOST_WORKERS}")
    return count


def real(text: str, fits: Callable[[float], bool], allowed: str) -> float:
    """The number that `text` is, where it `fits`; else ArgumentTypeError says what is `allowed`."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not fits(number):
        raise argparse.ArgumentTypeError(f"{text}: allowed: {allowed}")
    return number


_share = partial(real, fits=lambda share: 0 < share <= 1, allowed="above 0, at most 1")
