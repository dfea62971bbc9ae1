"""The answer's speed in one sentence.

speed_sentence(answer.speed, "accuracy")   # "Speed, of 20 epochs: the best ..."
"""

from collections.abc import Sequence

from analysis.compare.speed import Ratio, Speed
from analysis.wording import count

MOST_COMMANDS = 3
"""Shown; answers.json has all."""


def speed_sentence(speed: Speed, metric: str) -> str:
    """How many epochs both sides need for the score that one has without averaging, or what
    lacks."""
    lacks = f"since {speed.reason}{_commands(speed.commands)}"
    if speed.of_budget is None:
        return f"Speed: not known, {lacks}."
    text = (
        f"Speed, of {count(speed.epochs, 'epoch')}: the best without averaging has a validation "
        f"{metric} that"
    )
    share = f"{_mean(speed.of_budget)} of the budget ({_how(speed)})."
    if speed.of_unaveraged is None:
        return (
            f"{text} the average, as it grows, reaches {_reached(speed)}: {share} Whether "
            f"checkpoints without averaging reach it earlier is not known, {lacks}."
        )
    alone = _span([one.unaveraged for one in speed.seeds if one.unaveraged is not None])
    return (
        f"{text} its own checkpoints first reach after {alone}, and the average, as it grows, "
        f"{_reached(speed)}: {_mean(speed.of_unaveraged)} as many, and {share}"
    )


def _reached(speed: Speed) -> str:
    """ "after 9 to 11", "in 2 of 3 seeds, after 9 to 11", "in none of 3 seeds"."""
    needed = [one.averaged for one in speed.seeds if one.averaged is not None]
    if len(needed) == len(speed.seeds):
        return f"after {_span(needed)}"
    after = f", after {_span(needed)}" if needed else ""
    return f"in {len(needed) or 'none'} of {count(len(speed.seeds), 'seed')}{after}"


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _mean(ratio: Ratio) -> str:
    """ "65 % [52 %, 80 %]", "65 %" without an interval, "more than 65 %"."""
    if ratio.mean is None:
        assert ratio.above is not None
        return f"more than {100 * ratio.above:.0f} %"
    if ratio.low is None or ratio.high is None:
        return f"{100 * ratio.mean:.0f} %"
    return f"{100 * ratio.mean:.0f} % [{100 * ratio.low:.0f} %, {100 * ratio.high:.0f} %]"


def _how(speed: Speed) -> str:
    """What the ratios are, and why one has no interval."""
    n = len(speed.seeds)
    if n == 1:
        return "n = 1 seed: no interval"
    means = f"geometric means over n = {n} seeds"
    if speed.reached < n:
        return f"{means}, the others counted with all epochs to their window's last: no interval"
    given = [one for one in (speed.of_unaveraged, speed.of_budget) if one is not None]
    identical = "identical for all seeds: no interval"
    if all(one.low is None for one in given):
        return f"{means}, {identical}"
    some = f"; where {identical}" * any(one.low is None for one in given)
    return f"{means}, 95 % t intervals of the log ratio{some}"


def _commands(commands: Sequence[str]) -> str:
    if not commands:
        return ""
    more = len(commands) - MOST_COMMANDS
    hidden = f" (and {more} more, in answers.json)" * (more > 0)
    return f": {'; '.join(commands[:MOST_COMMANDS])}{hidden}"
