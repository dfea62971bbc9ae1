"""A sweep with all that figures are drawn from, in this project's style."""

import matplotlib.pyplot as plt
import pytest

from analysis.figures.style import style
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
