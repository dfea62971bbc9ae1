"""Tensors of every kind, to be written and read."""

import torch


def randn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def from_bits(*bits):
    """float32 values of these bit patterns."""
    return torch.tensor(bits, dtype=torch.int64).to(torch.int32).view(torch.float32)


STATES = {
    "float32": randn(3, 5),
    "float64": randn(3, 5).double() / 3,
    "bfloat16": randn(3, 5).bfloat16(),
    "float16": randn(3, 5).half(),
    "int64": torch.tensor([-(2**63), 0, 2**63 - 1]),
    "uint8": torch.arange(256, dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "no dimension": torch.tensor(7),
    "no entries": torch.empty(0, 3),
    "signed zeros, infinities, subnormal": from_bits(0, 1 << 31, 0x7F800000, 0xFF800000, 1),
    "NaN payloads": from_bits(0x7FC00001, 0xFFC12345, 0x7F800001),
}

VIEWS = {
    "channels last": randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "transposed": randn(3, 4).t(),
    "every second": randn(8)[::2],
    "expanded": randn(1, 4).expand(3, 4),
    "part of a large storage": randn(1000, 4)[10:12],
}


def same_bits(left, right):
    bits = [tensor.contiguous().flatten().view(torch.uint8) for tensor in (left, right)]
    return left.dtype == right.dtype and left.shape == right.shape and torch.equal(*bits)
