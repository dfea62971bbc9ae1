"""The evaluation key: names an evaluation by the split's content, precision, normalisation, and the
code that computes logits.

    evaluation_key(dataset.test, Inference())  # "9b1c5d2e8f034a67"
"""

import hashlib
import json
from dataclasses import asdict

from polyak.code import imported_digest
from polyak.data.dataset import Split
from polyak.evaluation import logits
from polyak.evaluation.logits import Inference


def evaluation_key(split: Split, how: Inference) -> str:
    """16 hex digits of the SHA-256 of all of them."""
    code = imported_digest((logits.__name__,))
    what = {"split": split.digest(), **asdict(how), "code": code}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
