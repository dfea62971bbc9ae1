"""Chosen on validation, tested on test once; and what can't be said isn't said."""

import json

import numpy as np
import pytest
from scipy import stats

from analysis.compare.findings import answer_of
from analysis.compare.groups import facets
from analysis.compare.image_tests import image_tests
from analysis.read.load import load
from analysis.report.sentences import sentences
from tests.analysis.synthetic_runs import write_run, write_sweep, write_unfinished

GAINS = {0: 0.021, 1: 0.034, 2: 0.026}


def facet_of(folder):
    (facet,) = facets(load([folder]))
    return facet


def said(facet, answer):
    return sentences(facet, answer, image_tests(answer.runs(facet))[0])


def answered(folder):
    return answer_of(facet_of(folder))


def test_the_candidate_is_chosen_on_validation_and_reported_on_test(tmp_path):
    """The best on test is another, which must not be taken."""
    for start, validation_gain, gain in ((2, 0.05, 0.01), (4, 0.01, 0.09)):
        for seed in GAINS:
            write_run(
                tmp_path / "s" / f"{start} {seed}",
                start=start,
                seed=seed,
                gain=gain + 0.001 * seed,
                validation_gain=validation_gain,
            )
    answer = answered(tmp_path / "s")
    assert answer.chosen
    assert answer.focus["start"] == 2
    assert answer.oracle["start"] == 4
    assert answer.contrast.mean == pytest.approx(0.011)
    assert "2 candidates by mean validation accuracy" in answer.how


def test_test_accuracies_never_decide_the_choice(tmp_path):
    """Whatever the test accuracies are, the choice is the same."""
    chosen = set()
    for number in range(5):
        generator = np.random.default_rng(number)
        folder = tmp_path / str(number)
        for start in (1, 2, 3, 4):
            for seed in (0, 1):
                write_run(
                    folder / f"{start} {seed}",
                    start=start,
                    seed=seed,
                    gain=float(generator.normal(0, 0.05)),
                    validation_gain=0.01 * start + 0.002 * seed,
                )
        chosen.add(answered(folder).focus["start"])
    assert len(chosen) == 1


def test_the_contrast_is_a_paired_t_interval_over_trainings(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], gain=GAINS.__getitem__)
    answer = answered(tmp_path / "s")
    values = np.array(list(GAINS.values()))
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
    assert answer.contrast.n == 3
    assert answer.contrast.low == pytest.approx(values.mean() - half)
    assert answer.contrast.high == pytest.approx(values.mean() + half)
    assert answer.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert set(answer.others) == {"last", "best_by_validation", "ensemble"}


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((0.02, 0.03, 0.025), "gain"),
        ((-0.02, -0.03, -0.025), "loss"),
        ((0.02, -0.03, 0.01), "no gain detected"),
        ((0.02, 0.02, 0.02), "undecided"),
        ((0.02,), "undecided"),
    ],
)
def test_verdicts(tmp_path, gains, verdict):
    write_sweep(
        tmp_path / "s", lrs=[0.05], starts=[2], seeds=range(len(gains)), gain=gains.__getitem__
    )
    assert answered(tmp_path / "s").verdict == verdict


def test_one_training_gets_no_interval_and_is_told_so(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], seeds=[0])
    facet = facet_of(tmp_path / "s")
    answer = answer_of(facet)
    assert answer.contrast.low is None
    assert answer.contrast.high is None
    assert answer.p is None
    assert answer.detectable is None
    text = " ".join(said(facet, answer))
    assert "no interval" in text
    assert "one training can't tell" in text


def test_without_validation_nothing_is_chosen_whatever_test_says(tmp_path):
    folders = []
    for name, best in (("a", 1), ("b", 5)):
        for start in (1, 3, 5):
            for seed in (0, 1):
                write_run(
                    tmp_path / name / f"{start} {seed}",
                    start=start,
                    seed=seed,
                    gain=0.01 * seed + (0.09 if start == best else 0.01),
                    validation=False,
                )
        folders.append(tmp_path / name)
    for folder in folders:
        facet = facet_of(folder)
        answer = answer_of(facet)
        assert not answer.chosen
        assert answer.focus["start"] == 3  # nearest to half of six epochs
        assert answer.curse is None
        assert "without a validation split" in said(facet, answer)[0]


def test_one_candidate_alone_needs_no_choice(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], validation=False, gain=GAINS.__getitem__)
    answer = answered(tmp_path / "s")
    assert answer.chosen
    assert answer.verdict == "gain"


def test_a_candidate_with_a_failed_seed_can_not_be_chosen(tmp_path):
    """It would be chosen for the seed it lacks."""
    for lr in (0.02, 0.03):
        write_sweep(tmp_path / "s", lrs=[lr], starts=[2], validation_gain=lr / 2)
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], seeds=[0, 1], validation_gain=0.09)
    write_unfinished(tmp_path / "s" / "f", reason="diverged", lr=0.05, seed=2)
    answer = answered(tmp_path / "s")
    assert answer.seeds == {0, 1, 2}
    assert answer.focus["learning_rate"] == 0.03
    assert "1 more, which lack a seed, could not be chosen" in answer.how


def test_more_seeds_for_one_candidate_do_not_decide_the_choice(tmp_path):
    """They count in its interval, not in the comparison."""
    for start, validation_gain in ((1, 0.01), (2, 0.09), (3, 0.02), (4, 0.03)):
        write_sweep(tmp_path / "s", lrs=[0.05], starts=[start], validation_gain=validation_gain)
    before = answered(tmp_path / "s")
    for seed in (3, 4):
        write_run(tmp_path / "s" / f"x{seed}", start=1, seed=seed, validation_gain=0.5)
        write_run(tmp_path / "s" / f"y{seed}", start=2, seed=seed, validation_gain=-0.5)
    answer = answered(tmp_path / "s")
    assert before.focus["start"] == answer.focus["start"] == 2
    assert answer.chosen
    assert answer.seeds == {0, 1, 2}
    assert answer.contrast.n == 5


def test_two_candidates_without_a_seed_in_common_are_not_compared(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.02], starts=[2], seeds=[0, 1])
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], seeds=[2, 3])
    answer = answered(tmp_path / "s")
    assert not answer.chosen
    assert answer.curse is None
    assert "nothing was chosen: one candidate alone has the seeds" in answer.how


def test_what_failed_is_not_said_not_to_be_there(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2])
    assert (
        answered(tmp_path / "s").how == "it is the only learning rate, window and scheme there is"
    )
    write_unfinished(tmp_path / "s" / "f", reason="diverged", lr=5.0)
    assert answered(tmp_path / "s").how.endswith("of which there are numbers")


def test_rounding_decides_no_tie(tmp_path):
    """0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ as floats."""
    for scheme, gains, loss in (("a", (0.1, 0.2, 0.3), 0.9), ("b", (0.3, 0.2, 0.1), 0.1)):
        for seed, accuracy in enumerate(gains):
            run = write_run(tmp_path / "s" / f"{scheme}{seed}", seed=seed, scheme=scheme)
            summary = json.loads((run / "summary.json").read_text())
            summary["results"]["average"]["validation"] |= {"accuracy": accuracy, "loss": loss}
            (run / "summary.json").write_text(json.dumps(summary))
    assert answered(tmp_path / "s").focus["scheme"] == "b"


def test_of_equals_the_lower_validation_loss_is_chosen(tmp_path):
    for scheme, loss in (("uniform", 0.6), ("power, gamma 2.0", 0.4)):
        run = write_run(tmp_path / "s" / scheme, scheme=scheme)
        path = run / "summary.json"
        text = path.read_text()
        assert text.count('"loss": 0.5') == 2
        path.write_text(text.replace('"loss": 0.5', f'"loss": {loss}'))
    assert answered(tmp_path / "s").focus["scheme"] == "power, gamma 2.0"


def test_the_winners_curse_in_numbers(tmp_path):
    """On validation the chosen one stands 0.03 above the mean of three, on test 0."""
    for start, gain in ((1, 0.06), (2, 0.015), (3, 0.015)):
        write_run(tmp_path / "s" / str(start), start=start, gain=0.02, validation_gain=gain)
    answer = answered(tmp_path / "s")
    table = answer.candidates.set_index("start")
    assert answer.curse["validation"] == pytest.approx(
        table.loc[answer.focus["start"], "validation"] - table["validation"].mean()
    )
    assert answer.curse["test"] == pytest.approx(
        table.loc[answer.focus["start"], "test"] - table["test"].mean()
    )
    assert answer.curse["oracle"] == pytest.approx(table["test"].max() - table["test"].mean())


def test_p_values_are_adjusted_for_all_candidates(tmp_path):
    write_sweep(tmp_path / "s", gain=GAINS.__getitem__)
    table = answered(tmp_path / "s").candidates
    assert len(table) == 6
    p = stats.ttest_1samp(list(GAINS.values()), 0).pvalue
    assert table["p"].tolist() == pytest.approx([p] * 6)
    assert table["p_holm"].tolist() == pytest.approx([6 * p] * 6)


def test_the_bootstrap_comes_with_ten_trainings(tmp_path):
    gains = np.random.default_rng(0).normal(0.02, 0.01, 10).tolist()
    write_sweep(tmp_path / "nine", lrs=[0.05], starts=[2], seeds=range(9), gain=gains.__getitem__)
    write_sweep(tmp_path / "ten", lrs=[0.05], starts=[2], seeds=range(10), gain=gains.__getitem__)
    assert answered(tmp_path / "nine").bootstrap is None
    low, high = answered(tmp_path / "ten").bootstrap
    assert low < np.mean(gains) < high


def test_a_window_of_one_checkpoint_is_said_to_average_nothing(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[5], gain=0.0)
    facet = facet_of(tmp_path / "s")
    assert "nothing was averaged" in said(facet, answer_of(facet))[0]


def test_a_gain_over_poor_checkpoints_is_no_gain_over_the_last(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.001], starts=[0], gain=lambda seed: 0.05 + 0.001 * seed)
    facet = facet_of(tmp_path / "s")
    answer = answer_of(facet)
    assert answer.verdict == "gain"
    assert answer.others["last"].mean < 0
    assert any("less accurate than the last checkpoint" in one for one in answer.cautions(facet))


def test_a_choice_at_the_edge_of_the_sweep_is_said(tmp_path):
    for start, gain in ((1, 0.1), (2, 0.3), (3, 0.2)):
        for lr in (0.02, 0.05):
            write_run(tmp_path / "s" / f"{start} {lr}", start=start, lr=lr, validation_gain=gain)
    facet = facet_of(tmp_path / "s")
    cautions = " ".join(answer_of(facet).cautions(facet))
    assert "learning rate" in cautions
    assert "first epoch" not in cautions


def test_an_interval_narrower_than_one_image_says_too_much(tmp_path):
    write_sweep(tmp_path / "s", lrs=[0.05], starts=[2], gain=lambda seed: 0.02 + 1e-5 * seed)
    facet = facet_of(tmp_path / "s")
    answer = answer_of(facet)
    assert answer.verdict == "gain"
    assert any("narrower than one of the 1,000" in one for one in answer.cautions(facet))
