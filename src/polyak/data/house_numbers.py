"""Drawn house numbers: a stand-in for SVHN's cropped digits that needs no download.

Each image shows one digit of a house number, with parts of its neighbours, as SVHN's crops do:
varied fonts, geometry, colours, light, blur and noise, at about the difficulty of the real crops.
The labels are always right; what is hard is only the picture.

    images, labels = generate("train", 5_500)  # uint8 [5500, 3, 32, 32], int64 [5500]
"""

import hashlib
import math
from pathlib import Path
from typing import Literal

import matplotlib
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

VERSION = 1  # raise it whenever any drawn image changes: callers put it in cache file names
TRAIN_SIZE = 73_257  # the sizes of SVHN's own splits
TEST_SIZE = 26_032
SIDE = 32
CHUNK = 1_000  # images drawn from one random stream

# Digits 0..9 in SVHN's training split: house numbers begin with small digits (Benford).
CLASS_COUNTS = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)
# Of SVHN's training digits, the shares that stand in numbers of 1, 2, 3 and 4 digits.
LENGTH_SHARES = (0.070, 0.495, 0.357, 0.078)

# Those of matplotlib's fonts whose digits look like digits on doors, each in two or three weights.
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold"),
    *("DejaVuSerif-Italic", "DejaVuSerif-BoldItalic", "STIXGeneral", "STIXGeneralBol"),
    *("STIXGeneralItalic", "STIXGeneralBolIta", "cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)
STROKES = (0, 1, 2)  # pixels added around a glyph in the atlas
CELL, GLYPH = 48, 28  # atlas cell and digit height in pixels: close to the drawn size, no aliasing

# Geometry. Lengths are fractions of the crop's side, angles are radians.
HEIGHT = (0.52, 0.86)  # of the digit
NARROWING = (0.14, 0.20)  # mean and sd of log(height / width): house numbers run narrow
ROTATION = 0.08  # sd
SHEAR = 0.12  # sd
PERSPECTIVE = 0.12  # sd of the relative change of scale across the crop
SHIFT = 0.030  # sd of the digit's centre
SPACING = 0.10  # sd of the gap between digits, in digit heights
WARP = 0.030  # sd of a smooth displacement: stands for the many typefaces we don't have

# Colour and light, of a full range 0..1.
LUMINANCE = (0.08, 0.84)  # of the background
CONTRAST = (0.32, 0.50)  # median and log-sd of |digit - background|
CONTRAST_RANGE = (0.09, 0.90)
CHROMA = (0.035, 0.75)  # median and log-sd
GRADIENT = 0.07  # sd of the change of light from centre to edge
TEXTURE = 0.035  # sd of the background's blotches
PLAQUE_SHARE = 0.35  # numbers on a plate whose edge may be in view
SHADOW_SHARE = 0.30  # numbers with a relief's shadow
BLUR = (0.35, 2.0)  # sd in pixels
BLUR_REACH = 5  # pixels
NOISE = (0.006, 0.6)  # median and log-sd of the sensor's noise


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
    chunks = [_draw_chunk(atlas, split, seed, i) for i in range(math.ceil(count / CHUNK))]
    images, labels = (torch.cat(parts)[:count] for parts in zip(*chunks, strict=True))
    return images.clone(), labels.clone()


def _draw_atlas() -> tuple[Tensor, Tensor]:
    """Glyphs [faces, 10, 1, CELL, CELL] in 0..1 and their advances [faces, 10] in digit heights."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    glyphs, advances = [], []
    for name in FONTS:
        path = str(folder / f"{name}.ttf")
        basic = ImageFont.Layout.BASIC  # the same with and without libraqm
        _, top, _, _ = ImageFont.truetype(path, 200, layout_engine=basic).getbbox("8", anchor="ls")
        font = ImageFont.truetype(path, round(-200 * GLYPH / top), layout_engine=basic)
        for stroke in STROKES:
            for digit in "0123456789":
                cell = Image.new("L", (CELL, CELL))
                at = (CELL / 2, (CELL + GLYPH) / 2)
                ImageDraw.Draw(cell).text(
                    at, digit, fill=255, font=font, anchor="ms", stroke_width=stroke
                )
                glyphs.append(torch.frombuffer(bytearray(cell.tobytes()), dtype=torch.uint8))
                advances.append((font.getlength(digit) + stroke) / GLYPH)
    stacked = torch.stack(glyphs).view(-1, 10, 1, CELL, CELL).float() / 255
    return stacked, torch.tensor(advances).view(-1, 10)


def _draw_chunk(
    atlas: tuple[Tensor, Tensor], split: str, seed: int, index: int
) -> tuple[Tensor, Tensor]:
    digest = hashlib.sha256(f"house_numbers {seed} {split} {index}".encode()).digest()
    random = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(CHUNK, *shape, generator=random)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(CHUNK, 1, 1, generator=random) * (high - low) + low

    def lognormal(median: float, spread: float) -> Tensor:
        return median * (spread * normal(1, 1)).exp()

    def smooth() -> Tensor:
        return F.interpolate(normal(1, 5, 5), size=SIDE, mode="bicubic", align_corners=True)[:, 0]

    # Which digits: left neighbour, the labelled one, right neighbour.
    weights = torch.tensor(CLASS_COUNTS, dtype=torch.float64)
    digits = torch.multinomial(weights, 3 * CHUNK, True, generator=random).view(CHUNK, 3)
    shares = torch.tensor(LENGTH_SHARES, dtype=torch.float64)
    length = 1 + torch.multinomial(shares, CHUNK, True, generator=random)
    position = (torch.rand(CHUNK, generator=random) * length).long()
    present = torch.stack((position > 0, torch.ones_like(position) > 0, position < length - 1), 1)
    glyphs, advances = atlas
    face = torch.randint(len(glyphs), (CHUNK, 1), generator=random)

    # Where: crop coordinates (x, y) in -0.5..0.5 to the number's own (u, v) in digit heights.
    axis = (torch.arange(SIDE) + 0.5) / SIDE - 0.5
    y, x = axis.view(1, SIDE, 1), axis.view(1, 1, SIDE)
    x = x - SHIFT * normal(1, 1) + WARP * smooth()
    y = y - SHIFT * normal(1, 1) + WARP * smooth()
    depth = 1 + PERSPECTIVE * (normal(1, 1) * x + normal(1, 1) * y)
    angle, height = ROTATION * normal(1, 1), uniform(*HEIGHT)
    v = (angle.cos() * y - angle.sin() * x) / (height * depth)
    u = (angle.cos() * x + angle.sin() * y) / (height * depth)
    u = u * (NARROWING[0] + NARROWING[1] * normal(1, 1)).exp() + SHEAR * normal(1, 1) * v

    # The ink: 0..1, the three digits side by side.
    gap = SPACING * normal(1, 1).abs()
    width = advances[face, digits]
    ink = torch.zeros(CHUNK, SIDE, SIDE)
    ends = []
    for slot, side in enumerate((-1, 0, 1)):
        centre = side * ((width[:, 1] + width[:, slot]).view(-1, 1, 1) / 2 + gap)
        grid = torch.stack((u - centre, v), -1) * (2 * GLYPH / CELL)
        glyph = glyphs[face[:, 0], digits[:, slot]] * present[:, slot].view(-1, 1, 1, 1)
        ink = torch.maximum(ink, F.grid_sample(glyph, grid, align_corners=False)[:, 0])
        ends.append(centre + side * width[:, slot].view(-1, 1, 1) / 2)

    # Light and colour: the digit is lighter or darker than its ground, within the range of both.
    def colour(luminance: Tensor) -> Tensor:
        warm, green = lognormal(*CHROMA) * normal(1, 1).sign(), 0.3 * lognormal(*CHROMA)
        green = green * normal(1, 1).sign()
        return torch.stack((luminance + warm, luminance + green, luminance - warm), 1)

    ground_light = uniform(*LUMINANCE)
    contrast = lognormal(*CONTRAST).clamp(*CONTRAST_RANGE)
    lighter = uniform(0, 1) > ground_light
    room = torch.where(lighter, 1 - ground_light, ground_light)
    lighter = lighter ^ (contrast > room)  # the other side then has more room, or nearly so
    contrast = torch.where(lighter, contrast, -contrast)
    ground, paint = colour(ground_light), colour(ground_light + contrast)
    texture = TEXTURE * normal(1, 1).abs() * smooth()
    image = ground + texture[:, None]

    # A plate's edge, where the number is on one: beyond it is the wall.
    left = torch.where(present[:, 0].view(-1, 1, 1), ends[0], -width[:, 1].view(-1, 1, 1) / 2)
    right = torch.where(present[:, 2].view(-1, 1, 1), ends[2], width[:, 1].view(-1, 1, 1) / 2)
    beyond = torch.maximum((v.abs() - 0.5), torch.maximum(left - u, u - right)) - uniform(0.1, 0.5)
    wall_share = (12 * beyond).clamp(0, 1) * (uniform(0, 1) < PLAQUE_SHARE)
    image = torch.lerp(image, colour(uniform(*LUMINANCE)), wall_share[:, None])

    # A relief's shadow, one pixel down and to one side.
    padded = F.pad(ink, (1, 1, 1, 0))[:, :SIDE]
    shadow = torch.where(uniform(0, 1) < 0.5, padded[:, :, 2:], padded[:, :, :SIDE])
    image = image * (1 - shadow * (uniform(0, 1) < SHADOW_SHARE) * uniform(0.1, 0.6))[:, None]
    image = torch.lerp(image, paint, ink[:, None])

    image = image * (1 + GRADIENT * 2 * (normal(1, 1) * x + normal(1, 1) * y) / 0.5)[:, None]
    image = _blur(image, uniform(*BLUR))
    noise = 0.8 * normal(1, SIDE, SIDE) + 0.6 * normal(3, SIDE, SIDE)
    image = image + lognormal(*NOISE)[:, None] * noise
    return (image.clamp(0, 1) * 255).round().to(torch.uint8), digits[:, 1]


def _blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur [n, 3, h, w] with each image's own sigma [n, 1, 1].

    It adds shifted copies, so that the result does not depend on the number of threads.
    """
    taps = torch.arange(-BLUR_REACH, BLUR_REACH + 1)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / kernel.sum(-1, keepdim=True)).unsqueeze(-1)
    for _ in range(2):  # along the width, then transposed: along the height
        padded = F.pad(image, (BLUR_REACH, BLUR_REACH, 0, 0), mode="replicate")
        image = torch.zeros_like(image)
        for i in range(len(taps)):
            image.addcmul_(padded[..., i : i + SIDE], kernel[:, :, i : i + 1])
        image = image.transpose(-1, -2).contiguous()
    return image
