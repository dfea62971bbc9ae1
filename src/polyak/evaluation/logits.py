"""What a model gives for images: its logits. This module and what it imports are hashed into the
evaluation key.

    found = logits(model, split.images.to(device), Inference("fp32", Scaling()))
    # float32 [N, classes]
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from polyak.data import inputs
from polyak.models.precision import autocast

BATCH_SIZE = 250
"""Images per forward pass: it may decide the last bits."""


@dataclass(frozen=True)
class Inference:
    """How images become logits, apart from the weights: the precision, and the normalisation that
    the model was trained with."""

    precision: str = "fp32"
    scaling: inputs.Scaling = field(default_factory=inputs.Scaling)


@torch.inference_mode()
def logits(model: nn.Module, images: Tensor, how: Inference) -> Tensor:
    """float32 [N, classes] on CPU for uint8 images [N, C, H, W] on the model's device.

    The model runs in evaluation mode and is left in the mode it was in. It is put channels-last
    and left so: the memory format may decide the last bits.
    """
    training = model.training
    model.eval().to(memory_format=torch.channels_last)
    try:
        with autocast(images.device, how.precision):
            found = [
                model(inputs.scale(batch, how.scaling)).float()
                for batch in images.split(BATCH_SIZE)
            ]
    finally:
        model.train(training)
    return torch.cat(found).cpu()
