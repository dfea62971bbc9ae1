import torch

from polyak.data.dataset import make_split
from polyak.evaluation.key import evaluation_key


def test_the_key_names_content_and_precision():
    images = torch.randint(256, (7, 3, 2, 2), dtype=torch.uint8)
    labels = torch.arange(7)
    key = evaluation_key(make_split(images, labels, None), "fp32")
    assert key == evaluation_key(make_split(images.clone(), labels.clone(), 7), "fp32")
    others = {
        evaluation_key(make_split(images, labels, None), "bf16"),
        evaluation_key(make_split(images, labels, 6), "fp32"),
        evaluation_key(make_split(images, labels.flip(0), None), "fp32"),
        evaluation_key(make_split(images.flip(0), labels, None), "fp32"),
    }
    assert len(others | {key}) == 5
