"""The code of docs/own-training.md, by heading.

recipe("Lightning")    # one text
"""

import re

from tests.small import ROOT


def recipe(heading: str) -> str:
    text = (ROOT / "docs" / "own-training.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return "\n".join(re.findall(r"^```python\n(.*?)^```", section, re.M | re.S))
