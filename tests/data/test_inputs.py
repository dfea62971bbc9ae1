import torch
from torchvision.transforms import functional as F

from polyak.data.inputs import scale


def test_every_value_has_the_bits_that_torchvision_gives_it():
    values = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    wanted = F.normalize(F.to_tensor(values[0].permute(1, 2, 0).numpy()), [0.5], [0.5])
    assert torch.equal(scale(values)[0], wanted)
    assert scale(values).aminmax() == (-1.0, 1.0)
