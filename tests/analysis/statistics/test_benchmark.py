"""The simulations of docs/analysis.md, with few of them."""

import numpy as np
import pytest

from analysis.statistics.two_way import mean_squares
from benchmarks.statistics import candidates, groups, one_comparison, two_way
from benchmarks.table import Section
from tests.analysis.statistics.conftest import random
from tests.small import ROOT


@pytest.fixture(scope="module")
def tables() -> list[Section]:
    return [
        one_comparison.table(4),
        candidates.selection_table(2),
        candidates.adjusted_table(2),
        two_way.table(2, 2),
        groups.table(2),
    ]


def test_docs_give_the_tables_that_the_benchmark_prints(tables):
    given = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")
    for table in tables:
        assert f"**{table.title}**" in given
        head, _, *rows = table.text.split("\n\n")[1].splitlines()
        section = given[given.index(head) :].split("\n\n")[0].splitlines()[2:]
        assert len(section) == len(rows) == len(table.rows)
        for row, written in zip(rows, section, strict=True):
            assert row.split("|")[1] == written.split("|")[1]
            assert row.count("±") == written.count("±") > 0


def test_owens_bootstrap_counts_the_residual_three_times():
    given = random(1).normal(size=(10, 300))  # nothing but residual
    low, high = two_way.pigeonhole(given, random(2))["pigeonhole"]
    *_, residual = mean_squares(given)
    wanted = 2 * 1.96 * np.sqrt(2.9 * residual / given.size)  # 1 - 1/n of the seeds' third
    assert high - low == pytest.approx(wanted, rel=0.15)


def test_the_corrected_bootstrap_is_as_wide_as_satterthwaites_interval():
    given = two_way.differences(random(3), "seeds and images", 6, 500)
    low, high = two_way.pigeonhole(given, random(4))["corrected"]
    first, last = two_way.satterthwaite(given)
    assert high - low == pytest.approx(last - first, rel=0.12)
