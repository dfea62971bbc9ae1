"""Drawn house numbers: a stand-in for SVHN's cropped digits that needs no download.

Each image shows one digit of a house number, with parts of its neighbours, as SVHN's crops do:
varied fonts, geometry, colours, light, blur and noise, at about the difficulty of the real crops.
The labels are always right; what is hard is only the picture.

    images, labels = generate("train", 5_500)  # uint8 [5500, 3, 32, 32], int64 [5500]
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import matplotlib
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

VERSION = 2  # raise it whenever any drawn image changes: callers put it in cache file names
TRAIN_SIZE = 73_257  # the sizes of SVHN's own splits
TEST_SIZE = 26_032
SIDE = 32
CHUNK = 1_000  # images drawn from one random stream
PART = 100  # of them, blurred at a time: it decides memory and speed alone

# Digits 0..9 in SVHN's training split: house numbers begin with small digits (Benford).
CLASS_COUNTS = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)
# Of SVHN's training digits, the shares that stand in numbers of 1, 2, 3 and 4 digits.
LENGTH_SHARES = (0.070, 0.495, 0.357, 0.078)

# Those of matplotlib's fonts whose digits look like digits on doors, each in three weights.
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold"),
    *("DejaVuSerif-Italic", "DejaVuSerif-BoldItalic", "STIXGeneral", "STIXGeneralBol"),
    *("STIXGeneralItalic", "STIXGeneralBolIta", "cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)
STROKES = (0, 1, 2)  # pixels added around a glyph in the atlas
CELL, GLYPH = 52, 28  # atlas cell and digit height in pixels: near the drawn size, no aliasing

# Geometry. Lengths are fractions of the crop's side, angles are radians.
HEIGHT = (0.49, 0.89)  # of the digit
NARROWING = (0.14, 0.20)  # mean and sd of log(height / width): house numbers run narrow
ROTATION = 0.095  # sd
SHEAR = 0.145  # sd
PERSPECTIVE = 0.12  # sd of the relative change of scale across the crop
SHIFT = 0.040  # sd of the digit's centre
SPACING = 0.09  # sd of the gap between digits, in digit heights
WARP = 0.032  # sd of a smooth displacement: stands for the many typefaces we don't have

# Colour and light, of a full range 0..1.
LUMINANCE = (0.08, 0.84)  # of the background
CONTRAST = (0.31, 0.50)  # median and log-sd of |digit - background|
CONTRAST_RANGE = (0.11, 0.90)
CHROMA = (0.035, 0.75)  # median and log-sd
GRADIENT = 0.07  # sd of the change of light from centre to edge
TEXTURE = 0.035  # sd of the background's blotches
PLATE_SHARE = 0.45  # numbers on a plate whose edge may be in view
FRAME_SHARE = 0.4  # plates with a line along their edge, painted like the digits
PLATE_MARGIN = (0.1, 0.5)  # between digits and edge, in digit heights
SHADOW_SHARE = 0.30  # numbers with a relief's shadow
BLUR = (0.35, 2.1)  # sd in pixels
BLUR_REACH = 6  # pixels
NOISE = (0.005, 0.6)  # median and log-sd of the sensor's noise


def generate(split: Literal["train", "test"], count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw the first `count` images of a split.

    Image i depends on (seed, split, i // CHUNK) alone, so a smaller count is a prefix of a larger
    one. The global random state is neither read nor changed.

    Returns images, uint8 [count, 3, 32, 32], and labels, int64 [count].
    Raises ValueError for another split, a count outside 1..size, or a negative seed.
    """
    sizes = {"train": TRAIN_SIZE, "test": TEST_SIZE}
    if split not in sizes:
        raise ValueError(f"split is {split!r}: use 'train' or 'test'")
    if not 1 <= count <= sizes[split]:
        raise ValueError(f"count is {count}: {split} has 1 to {sizes[split]} images")
    if seed < 0:
        raise ValueError(f"seed is {seed}: use 0 or more")
    atlas = _draw_atlas()
    images = torch.empty(count, 3, SIDE, SIDE, dtype=torch.uint8)
    labels = torch.empty(count, dtype=torch.int64)
    for chunk, part in enumerate(images.split(CHUNK)):
        drawn, digits = _draw_chunk(atlas, _Random(split, seed, chunk))
        part.copy_(drawn[: len(part)])
        labels[chunk * CHUNK :][: len(part)] = digits[: len(part)]
    return images, labels


@cache  # the fonts, not the images: it costs as much as drawing 1,000 of them
def _draw_atlas() -> tuple[Tensor, Tensor]:
    """Glyphs [faces, 10, 1, CELL, CELL] in 0..1 and their advances [faces, 10] in digit heights."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    foot = (CELL / 2, (CELL + GLYPH) / 2)  # middle of the baseline
    glyphs, advances = [], []
    for name in FONTS:
        path = str(folder / f"{name}.ttf")
        basic = ImageFont.Layout.BASIC  # the same with and without libraqm
        _, top, _, _ = ImageFont.truetype(path, 200, layout_engine=basic).getbbox("8", anchor="ls")
        font = ImageFont.truetype(path, round(-200 * GLYPH / top), layout_engine=basic)
        for stroke in STROKES:
            for digit in "0123456789":
                cell = Image.new("L", (CELL, CELL))
                pen = ImageDraw.Draw(cell)
                pen.text(foot, digit, fill=255, font=font, anchor="ms", stroke_width=stroke)
                glyphs.append(torch.frombuffer(bytearray(cell.tobytes()), dtype=torch.uint8))
                advances.append((font.getlength(digit) + stroke) / GLYPH)
    cells = torch.stack(glyphs).view(-1, 10, 1, CELL, CELL).float() / 255
    return cells, torch.tensor(advances).view(-1, 10)


class _Random:
    """The random stream of one chunk: draws for CHUNK images, shaped to broadcast over pixels."""

    def __init__(self, split: str, seed: int, chunk: int) -> None:
        digest = hashlib.sha256(f"house_numbers {seed} {split} {chunk}".encode()).digest()
        self.stream = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(CHUNK, *(shape or (1, 1)), generator=self.stream)

    def uniform(self, low: float, high: float) -> Tensor:
        return torch.rand(CHUNK, 1, 1, generator=self.stream) * (high - low) + low

    def lognormal(self, median: float, spread: float) -> Tensor:
        return median * (spread * self.normal()).exp()

    def happens(self, share: float) -> Tensor:
        return self.uniform(0, 1) < share

    def choice(self, weights: Sequence[float], times: int = 1) -> Tensor:
        shares = torch.tensor(weights, dtype=torch.float64)
        return torch.multinomial(shares, CHUNK * times, True, generator=self.stream)

    def smooth(self) -> Tensor:
        """A field that changes slowly over the image [CHUNK, SIDE, SIDE]."""
        coarse = self.normal(1, 4, 4)
        return F.interpolate(coarse, size=SIDE, mode="bicubic", align_corners=True)[:, 0]

    def colour(self, luminance: Tensor) -> Tensor:
        """RGB [CHUNK, 3, 1, 1]: mostly grey, else from orange to blue, as in streets."""
        warm = self.lognormal(*CHROMA) * self.normal().sign()
        green = 0.3 * self.lognormal(*CHROMA) * self.normal().sign()
        return torch.stack((luminance + warm, luminance + green, luminance - warm), 1)


def _draw_chunk(atlas: tuple[Tensor, Tensor], random: _Random) -> tuple[Tensor, Tensor]:
    digits = random.choice(CLASS_COUNTS, 3).view(CHUNK, 3)  # the middle one is the label
    length = 1 + random.choice(LENGTH_SHARES)
    position = (torch.rand(CHUNK, generator=random.stream) * length).long()
    shown = torch.stack((position > 0, position >= 0, position < length - 1), 1)
    face = torch.randint(len(atlas[0]), (CHUNK,), generator=random.stream)
    widths = atlas[1][face[:, None], digits] * shown

    def glyphs(slot: int) -> Tensor:  # [CHUNK, 1, CELL, CELL]: of all slots they would be 32 MB
        return atlas[0][face, digits[:, slot]].mul_(shown[:, slot, None, None, None])

    x, y, u, v = _place(random)
    ink, beyond = _set_digits(random, u, v, glyphs, widths)
    del u, v
    image = _paint(random, ink, beyond)
    light = 1 + 2 * GRADIENT * (random.normal() * x + random.normal() * y)
    _blur(image.mul_(light[:, None]), random.uniform(*BLUR))
    grey = 0.8 * random.normal(1, SIDE, SIDE)
    noise = random.normal(3, SIDE, SIDE).mul_(0.6).add_(grey)
    image.add_(noise.mul_(random.lognormal(*NOISE)[:, None]))
    return image.clamp_(0, 1).mul_(255).round_().to(torch.uint8), digits[:, 1]


def _place(random: _Random) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each pixel in the crop (x, y in -0.5..0.5) and on the number's line (u, v: digit heights)."""
    axis = (torch.arange(SIDE) + 0.5) / SIDE - 0.5
    x = axis.view(1, 1, SIDE) - SHIFT * random.normal() + WARP * random.smooth()
    y = axis.view(1, SIDE, 1) - SHIFT * random.normal() + WARP * random.smooth()
    depth = 1 + PERSPECTIVE * (random.normal() * x + random.normal() * y)
    angle, height = ROTATION * random.normal(), random.uniform(*HEIGHT)
    v = (angle.cos() * y - angle.sin() * x) / (height * depth)
    u = (angle.cos() * x + angle.sin() * y) / (height * depth)
    narrowing = (NARROWING[0] + NARROWING[1] * random.normal()).exp()
    return x, y, u * narrowing + SHEAR * random.normal() * v, v


def _set_digits(
    random: _Random, u: Tensor, v: Tensor, glyphs: Callable[[int], Tensor], widths: Tensor
) -> tuple[Tensor, Tensor]:
    """Ink of the three digits, 0..1, and how far each pixel is outside of the number's box."""
    gap = SPACING * random.normal().abs()
    left, middle, right = widths[:, :, None, None].unbind(1)
    ink = torch.zeros_like(v)
    before, after = (left + middle) / 2 + gap, (middle + right) / 2 + gap
    for slot, centre in enumerate((-before, torch.zeros_like(gap), after)):
        grid = torch.stack((u - centre, v), -1) * (2 * GLYPH / CELL)
        ink = torch.maximum(ink, F.grid_sample(glyphs(slot), grid, align_corners=False)[:, 0])
    ends = torch.maximum(-before - left / 2 - u, u - after - right / 2)
    return ink, torch.maximum(v.abs() - 0.5, ends)


def _paint(random: _Random, ink: Tensor, beyond: Tensor) -> Tensor:
    """Colours [CHUNK, 3, SIDE, SIDE]: ground, wall, the relief's shadow, frame and digits."""
    ground = random.uniform(*LUMINANCE)
    contrast = random.lognormal(*CONTRAST).clamp(*CONTRAST_RANGE)
    lighter = random.happens(0.5)
    room = torch.where(lighter, 1 - ground, ground)
    lighter = lighter ^ (contrast > room)  # where it does not fit, the other side has more room
    paint = ground + torch.where(lighter, contrast, -contrast)
    ground_colour, paint_colour = random.colour(ground), random.colour(paint)
    texture = TEXTURE * random.normal().abs() * random.smooth()
    outside = 12 * (beyond - random.uniform(*PLATE_MARGIN))  # of the plate, in line widths
    plate = random.happens(PLATE_SHARE)
    wall_share = outside.clamp(0, 1) * plate
    frame = (1.5 - (outside + 1).abs()).clamp(0, 1) * (plate & random.happens(FRAME_SHARE))
    ink = torch.maximum(ink, frame)
    wall_colour = random.colour(random.uniform(*LUMINANCE))
    image = (ground_colour + texture[:, None]).lerp_(wall_colour, wall_share[:, None])
    # The shadow lies one pixel below and to one side.
    padded = F.pad(ink, (1, 1, 1, 0))[:, :SIDE]
    shadow = torch.where(random.happens(0.5), padded[:, :, 2:], padded[:, :, :SIDE])
    shadow = shadow * random.happens(SHADOW_SHARE) * random.uniform(0.1, 0.6)
    return image.mul_((1 - shadow)[:, None]).lerp_(paint_colour, ink[:, None])


def _blur(images: Tensor, sigma: Tensor) -> None:
    """Gaussian blur of [n, 3, h, w], in place, with each image's own sigma [n, 1, 1].

    It adds shifted copies, so that the result does not depend on the number of threads.
    """
    taps = torch.arange(-BLUR_REACH, BLUR_REACH + 1)
    kernels = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernels = (kernels / kernels.sum(-1, keepdim=True)).unsqueeze(-1)
    for part, kernel in zip(images.split(PART), kernels.split(PART), strict=True):
        image = part
        for _ in range(2):  # along the width, then transposed: along the height
            padded = F.pad(image, (BLUR_REACH, BLUR_REACH, 0, 0), mode="replicate")
            image = torch.zeros_like(image)
            for i in range(len(taps)):
                image.addcmul_(padded[..., i : i + SIDE], kernel[:, :, i : i + 1])
            image = image.transpose(-1, -2).contiguous()
        part.copy_(image)
