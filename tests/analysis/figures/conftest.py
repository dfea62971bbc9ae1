"""A sweep with all that figures are drawn from, in this project's style."""

import matplotlib.pyplot as plt
import pytest

from polyak.runs.style import style
from tests.analysis.synthetic_runs import EPOCHS, GAINS, write_sweep


@pytest.fixture
def sweep(tmp_path):
    return write_sweep(tmp_path / "s", gain=GAINS.__getitem__, running=True, predictions=True)


@pytest.fixture(autouse=True)
def _styled():
    with style():
        yield
    plt.close("all")


def write_windows(sweep):
    rows = "".join(
        f"{start},{end},{end - start},{split},0.5,{0.7 + 0.01 * start + 0.001 * end}\n"
        for start in range(EPOCHS)
        for end in range(start + 1, EPOCHS + 1)
        for split in ("validation", "test")
    )
    for run in sweep.iterdir():
        (run / "windows.csv").write_text("start,end,count,split,loss,accuracy\n" + rows)


def write_distances(sweep):
    pairs = [
        f"{a},{b},{abs(a - b)},0.9,{0.1 * (a + b)}\n"
        for a in range(EPOCHS)
        for b in range(a + 1, EPOCHS)
    ]
    pairs += [f"{epoch},average,{epoch + 1},0.9,\n" for epoch in range(EPOCHS)]
    for run in sweep.iterdir():
        text = "first,second,distance,cosine,displacement_cosine\n" + "".join(pairs)
        (run / "distances.csv").write_text(text)


PATH = "which,name,x,y,x_fraction,y_fraction,split,loss,accuracy\n"


def write_path(sweep):
    """A bowl around each average, higher by a tenth with every run."""
    for place, run in enumerate(sorted(sweep.iterdir())):
        named = {-1.0: "first", 0.0: "average", 1.0: "last"}
        line = [(named.get(x, ""), x, 0.0) for x in (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)]
        plane = [("first", 0.0, 0.0), ("middle", 0.5, 1.0), ("last", 1.0, 0.0)]
        plane += [("projection", 0.5, 0.3)]
        plane += [("", x / 2 - 0.5, y / 2 - 0.5) for x in range(5) for y in range(5)]
        rows = [
            f"{which},{name},{2 * x},{y},{x},{y},{split},"
            f"{0.1 * place + x**2 + y**2},{0.9 - x**2 / 9}"
            for which, points in (("line", line), ("plane", plane))
            for name, x, y in points
            for split in ("train", "test")
        ]
        (run / "path.csv").write_text(PATH + "\n".join(rows) + "\n")


def write_widths(sweep):
    """Each run's widths.csv: the wider, the better, to a tenth of the training."""
    for run in sweep.iterdir():
        seed = int(run.name.split("seed=")[1].split(",")[0])
        rows = [
            f"{kind},{100 * share},{share},{split},0.5,{0.8 + min(share, 0.1) / 10 + seed / 1000}"
            for kind in ("ema", "uniform")
            for share in (0.01, 0.1, 0.5)
            for split in ("test", "validation")
        ]
        (run / "widths.csv").write_text(
            "kind,steps,share,split,loss,accuracy\n" + "\n".join(rows) + "\n"
        )
