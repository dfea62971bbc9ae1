"""Beside the candidates: their p by max-T, or why so few seeds have none."""

from analysis.read.load import load
from analysis.report import page, tables
from analysis.report.section import section_of, together
from tests.analysis.synthetic_runs import findings_in, group_of, write_sweep


def page_of(folder):
    section = section_of(group_of(folder), folder / "figures", [])
    page.write(folder / "report.html", load([folder]), [], together([], folder, []), [section], [])
    return (folder / "report.html").read_text()


def test_below_six_seeds_there_is_no_column_and_the_report_says_why(tmp_path):
    write_sweep(tmp_path, seeds=range(5), gain=lambda seed: 0.02 + 0.001 * seed)
    assert "p (max-T)" not in tables.candidates(findings_in(tmp_path))
    assert (
        "No p adjusted for all candidates together (max-T) is shown: with 5 seeds it is at least "
        "0.062, whatever the gains. From 6 seeds on, it can be 5 % or less."
    ) in page_of(tmp_path)


def test_from_six_seeds_on_each_candidate_that_has_them_has_its_p(tmp_path):
    options = {"lrs": [0.05], "gain": lambda seed: 0.02 + 0.001 * seed}
    write_sweep(tmp_path, **options, starts=[2, 4], seeds=range(6))
    said = "adjusted for 2 candidates together over the 6 seeds that they share (Westfall and"
    assert said in page_of(tmp_path)
    assert "Blank:" not in page_of(tmp_path)
    write_sweep(tmp_path, **options, starts=[3], seeds=range(5))
    found = tables.candidates(findings_in(tmp_path)).set_index("window")["p (max-T)"]
    shown = {"epochs 2..5": "0.031", "epochs 3..5": "", "epochs 4..5": "0.031"}
    assert found.to_dict() == shown
    assert f"{said} Young 1993). Blank: it lacks one of them." in page_of(tmp_path)
