import torch
from torchvision.transforms import functional as F

from polyak.data.inputs import Scaling, scale


def test_every_value_has_the_bits_that_torchvision_gives_it():
    values = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    wanted = F.normalize(F.to_tensor(values[0].permute(1, 2, 0).numpy()), [0.5], [0.5])
    assert torch.equal(scale(values, Scaling())[0], wanted)
    assert scale(values, Scaling()).aminmax() == (-1.0, 1.0)


def test_each_channel_has_its_own_mean_and_standard_deviation():
    values = torch.randint(256, (5, 3, 4, 4), dtype=torch.uint8)
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    wanted = F.normalize(values.float() / 255, mean, std)
    with torch.inference_mode():  # an evaluation may come before the first step
        assert torch.equal(scale(values, Scaling(mean, std)), wanted)
    assert not scale(values, Scaling(mean, std)).is_inference()
