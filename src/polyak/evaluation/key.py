"""The evaluation key: names an evaluation by the split's content, the precision, and the code that
computes logits.

    evaluation_key(dataset.test, "fp32")  # "9b1c5d2e8f034a67"
"""

import hashlib
import json

from polyak.code import code_digest
from polyak.data.dataset import Split
from polyak.evaluation import logits


def evaluation_key(split: Split, precision: str) -> str:
    """16 hex digits of the SHA-256 of all three."""
    code = code_digest([logits.__name__])
    what = {"split": split.digest(), "precision": precision, "code": code}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
