"""The answer's speed in words, with the numbers and what they rest on."""

import pytest

from analysis.compare.speed import OfSeed, Ratio, Speed
from analysis.report.speed_sentence import speed_sentence


def seeds(*needed):
    return tuple(OfSeed(seed, 0.8, *one) for seed, one in enumerate(needed))


REACHED = seeds((9, 20, 14), (11, 20, 18), (10, 20, 15))
FASTER = Ratio(3, 0.64, 0.52, 0.801, None)
BUDGET = Ratio(3, 0.5, 0.41, 0.606, None)


def test_like_for_like_comes_first_and_both_have_their_interval():
    assert speed_sentence(Speed(20, REACHED, FASTER, BUDGET), "loss") == (
        "Speed, of 20 epochs: the best without averaging has a validation loss that its own "
        "checkpoints first reach after 14 to 18, and the average, as it grows, after 9 to 11: "
        "64 % [52 %, 80 %] as many, and 50 % [41 %, 61 %] of the budget (geometric means over "
        "n = 3 seeds, 95 % t intervals of the log ratio)."
    )


def test_where_a_seed_is_not_there_only_what_is_exceeded_is_said():
    some = Speed(
        20,
        seeds((9, 20, 14), (None, 20, 14)),
        Ratio(2, None, None, None, 0.96),
        Ratio(2, None, None, None, 0.67),
    )
    said = speed_sentence(some, "accuracy")
    assert "as it grows, in 1 of 2 seeds, after 9: more than 96 % as many, and more" in said
    assert "more than 67 % of the budget (geometric means over n = 2 seeds, the others" in said
    assert said.endswith(": no interval).")
    none = Speed(20, seeds((None, 20, 14)), some.of_unaveraged, some.of_budget)
    assert "as it grows, in none of 1 seed: more than" in speed_sentence(none, "accuracy")


@pytest.mark.parametrize(
    ("found", "by_budget", "said"),
    [
        (1, Ratio(1, 0.5, None, None, None), "(n = 1 seed: no interval)."),
        (3, Ratio(3, 0.5, None, None, None), "n = 3 seeds, 95 % t intervals of the log ratio; "),
    ],
)
def test_no_interval_is_said_with_its_reason(found, by_budget, said):
    first = FASTER if found == 3 else by_budget
    text = speed_sentence(Speed(20, REACHED[:found], first, by_budget), "accuracy")
    assert "and 50 % of the budget (" in text
    assert said in text
    same = speed_sentence(Speed(20, REACHED[:found], by_budget, by_budget), "accuracy")
    assert ("identical for all seeds: no interval" in same) == (found == 3)
    assert ("t interval" in same) is False


def test_what_is_not_known_is_said_with_the_first_commands():
    commands = tuple(f"python -m polyak windows {run}" for run in "abcde")
    text = speed_sentence(Speed(20, reason="this lacks", commands=commands), "accuracy")
    assert text == (
        "Speed: not known, since this lacks: python -m polyak windows a; python -m polyak windows "
        "b; python -m polyak windows c (and 2 more, in answers.json)."
    )
    text = speed_sentence(Speed(20, REACHED, None, BUDGET, "this lacks", commands[:1]), "accuracy")
    assert "that the average, as it grows, reaches after 9 to 11: 50 % [41 %, 61 %] of" in text
    assert text.endswith("is not known, since this lacks: python -m polyak windows a.")
