import torch

from polyak.data.dataset import make_split
from polyak.data.inputs import Scaling
from polyak.evaluation.key import evaluation_key
from polyak.evaluation.logits import Inference


def test_the_key_names_content_precision_and_normalisation():
    images = torch.randint(256, (7, 3, 2, 2), dtype=torch.uint8)
    labels = torch.arange(7)
    key = evaluation_key(make_split(images, labels, None), Inference())
    assert key == evaluation_key(make_split(images.clone(), labels.clone(), 7), Inference())
    others = {
        evaluation_key(make_split(images, labels, None), Inference("bf16")),
        evaluation_key(make_split(images, labels, None), Inference(scaling=Scaling((0.4,)))),
        evaluation_key(make_split(images, labels, 6), Inference()),
        evaluation_key(make_split(images, labels.flip(0), None), Inference()),
        evaluation_key(make_split(images.flip(0), labels, None), Inference()),
    }
    assert len(others | {key}) == 6
