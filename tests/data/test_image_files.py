"""Directories of images, and single images: what is read, and what is named and refused."""

import hashlib
import os
import random
import unicodedata
import warnings

import numpy as np
import pytest
from PIL import Image

from polyak.data import image_files
from polyak.data.image_files import read, scan
from polyak.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def fill(root, names):
    """Files that `scan`, which doesn't open them, takes for images."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))
    return root


def names(root):
    return [file.name for file in scan(root, "dataset.train")]


def refused(root, *parts):
    with pytest.raises(DataError) as caught:
        scan(root, "dataset.train")
    for part in parts:
        assert str(part) in str(caught.value)


TWO = ["cat/1.png", "dog/1.png"]


def test_files_are_described(tmp_path):
    root = fill(tmp_path, [*TWO, "cat/old/2.png"])
    os.utime(root / "cat/old/2.png", ns=(1, 1_234_567_891))
    found = {file.name: file for file in scan(root, "dataset.train")}
    assert set(found) == {*TWO, "cat/old/2.png"}
    nested = found["cat/old/2.png"]
    assert nested.path == root / "cat" / "old" / "2.png"
    assert (nested.class_name, nested.length, nested.modified) == ("cat", 13, 1_234_567_891)


def test_the_order_is_that_of_the_hashes_of_the_names(tmp_path):
    wanted = [f"{kind}/{part}{i}.png" for kind in "abc" for part in ("", "x/") for i in range(50)]
    random.Random(0).shuffle(wanted)
    fill(tmp_path / "one" / "train", wanted)
    fill(tmp_path / "two", sorted(wanted))
    wanted.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert names(tmp_path / "one" / "train") == wanted
    assert names(tmp_path / "two") == wanted
    for start in range(0, 300, 100):  # each hundred has a fair share of each class
        counts = np.unique([name[0] for name in wanted[start : start + 100]], return_counts=True)[1]
        assert counts.min() >= 20
    fill(tmp_path / "two", ["c/new.png"])
    assert [name for name in names(tmp_path / "two") if name != "c/new.png"] == wanted


def test_clutter_is_skipped(tmp_path):
    clutter = [
        *(".DS_Store", "cat/.DS_Store", "cat/Thumbs.db", "dog/desktop.ini", "cat/._1.png"),
        *(".git/1.png", "__MACOSX/1.png", "cat/@eaDir/1.png", "cat/.hidden/1.png"),
    ]
    assert sorted(names(fill(tmp_path, [*TWO, *clutter]))) == TWO


def test_files_beside_the_classes_are_warned_about(tmp_path, caplog):
    assert sorted(names(fill(tmp_path, [*TWO, "README", "3.png"]))) == TWO
    assert f"{tmp_path}: not read" in caplog.text
    assert "3.png, README" in caplog.text


def test_there_is_nothing_to_warn_about(tmp_path, caplog):
    names(fill(tmp_path, [*TWO, ".DS_Store"]))
    assert caplog.text == ""


def test_a_directory_that_is_not_there_is_named_with_its_key(tmp_path):
    refused(tmp_path / "no", f"dataset.train = {tmp_path / 'no'}: there is no such directory")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", "there is no such directory")


@pytest.mark.parametrize(
    ("files", "found"), [([], "none"), (["1.png", "2.png"], "none"), (["cat/1.png"], "cat")]
)
def test_fewer_than_two_classes_are_refused(tmp_path, files, found):
    refused(fill(tmp_path, files), tmp_path, f"directories: {found};", "two or more")


@pytest.mark.parametrize("inside", ["dog", "dog/nested", "dog/.hidden"])
def test_a_class_without_files_is_refused(tmp_path, inside):
    root = fill(tmp_path, ["cat/1.png"])
    (root / inside).mkdir(parents=True)
    refused(root, f"{root / 'dog'}: no file")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Cat/1.png", "cat/2.png"),
        ("cat/1.png", "cat/1.PNG"),
        ("cat/x/1.png", "cat/X/1.png"),
        ("cat/\u00e9.png", "cat/e\u0301.png"),
        ("cat/\u00c9.png", "cat/e\u0301.png"),
    ],
)
def test_names_that_are_one_elsewhere_are_refused(tmp_path, one, other):
    root = fill(tmp_path, [*TWO[1:], one, other])
    pairs = zip(one.split("/"), other.split("/"), strict=True)
    first, second = next((a, b) for a, b in pairs if a != b)
    refused(root, repr(first), repr(second), "rename one")


def test_the_same_name_in_two_classes_is_none_of_that(tmp_path):
    assert len(names(fill(tmp_path, [*TWO, "dog/2.png", "cat/2.PNG"]))) == 4


def test_names_and_order_do_not_depend_on_how_accents_are_stored(tmp_path):
    spelled = [f"{kind}/\u00e9{i}.png" for kind in ("caf\u00e9", "th\u00e9") for i in range(9)]
    composed = names(fill(tmp_path / "one", spelled))
    stored = [unicodedata.normalize("NFD", name) for name in spelled]
    assert stored != spelled
    assert names(fill(tmp_path / "two", stored)) == composed


def test_names_that_are_no_text_are_taken(tmp_path):
    odd = os.fsdecode(b"cat/\xff.png")
    assert odd in names(fill(tmp_path, [*TWO, odd]))


def test_links_are_followed(tmp_path):
    fill(tmp_path / "elsewhere", ["deep/1.png", "deep/2.png"])
    root = fill(tmp_path / "train", TWO)
    (root / "bird").symlink_to(tmp_path / "elsewhere" / "deep")
    (root / "cat" / "3.png").symlink_to(tmp_path / "elsewhere" / "deep" / "1.png")
    (root / "cat" / "again").symlink_to(tmp_path / "elsewhere")
    (root / "dog" / "again").symlink_to(tmp_path / "elsewhere")  # twice is no loop
    assert sorted(names(root)) == sorted(
        [*TWO, "bird/1.png", "bird/2.png", "cat/3.png"]
        + [f"{kind}/again/deep/{number}.png" for kind in ("cat", "dog") for number in (1, 2)]
    )


@pytest.mark.parametrize("target", [".", "..", "../..", "/"])
def test_a_link_to_a_directory_around_it_is_refused(tmp_path, target):
    root = fill(tmp_path / "train", TWO)
    (root / "cat" / "loop").symlink_to(target)
    refused(root, root / "cat" / "loop", "a directory that it is in itself")


def test_two_links_that_lead_into_each_other_are_refused(tmp_path):
    root = fill(tmp_path / "train", TWO)
    (root / "cat" / "x").symlink_to(root / "dog")
    (root / "dog" / "y").symlink_to(root / "cat")
    refused(root, "a directory that it is in itself")


@pytest.mark.parametrize("target", ["nothing.png", "3.png"], ids=["to nothing", "to itself"])
def test_a_link_that_leads_nowhere_is_refused(tmp_path, target):
    root = fill(tmp_path, TWO)
    (root / "cat" / "3.png").symlink_to(target)
    refused(root, root / "cat" / "3.png", "can't be read")


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    root = fill(tmp_path, TWO)
    os.mkfifo(root / "cat" / "pipe.png")
    refused(root, root / "cat" / "pipe.png", "neither a file nor a directory")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_directory_that_may_not_be_read_is_refused(tmp_path):
    root = fill(tmp_path, TWO)
    (root / "cat").chmod(0)
    try:
        refused(root, root / "cat", "Permission denied")
    finally:
        (root / "cat").chmod(0o755)


# One image.


def saved(tmp_path, image, name="a.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings(action="error"):
        yield


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.ppm", "a.tiff", "a.webp", "a", "a.jpg"])
def test_colour_is_read_exactly_whatever_the_name(tmp_path, name):
    kind = {"": "PNG", ".jpg": "PNG"}.get(os.path.splitext(name)[1])
    lossless = {"lossless": True} if name.endswith("webp") else {}
    path = saved(tmp_path, Image.fromarray(PIXELS), name, format=kind, **lossless)
    pixels = read(path, 3, None)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, PIXELS.transpose(2, 0, 1))


def test_jpeg_is_read_nearly(tmp_path):
    smooth = np.linspace(0, 255, 32 * 32).reshape(32, 32).astype(np.uint8)
    path = saved(tmp_path, Image.fromarray(smooth), "a.jpg", quality=95)
    for channels in (1, 3):
        pixels = read(path, channels, None).astype(int)
        assert pixels.shape == (channels, 32, 32)
        assert np.abs(pixels - smooth).max() < 8


def test_grey_becomes_three_equal_channels_and_colour_one(tmp_path):
    grey = PIXELS[..., 0]
    path = saved(tmp_path, Image.fromarray(grey))
    assert np.array_equal(read(path, 1, None), grey[None])
    assert np.array_equal(read(path, 3, None), np.stack([grey] * 3))
    luma = read(saved(tmp_path, Image.fromarray(PIXELS)), 1, None).astype(float)
    assert luma.shape == (1, 6, 5)
    assert np.abs(luma[0] - PIXELS @ [0.299, 0.587, 0.114]).max() < 1  # ITU-R 601-2


ALPHA = np.random.default_rng(1).integers(0, 256, (6, 5, 1), dtype=np.uint8)


def test_transparency_is_dropped(tmp_path):
    image = Image.fromarray(np.concatenate([PIXELS, ALPHA], axis=2))
    assert np.array_equal(read(saved(tmp_path, image), 3, None), PIXELS.transpose(2, 0, 1))
    grey = Image.fromarray(np.concatenate([PIXELS[..., :1], ALPHA], axis=2))
    assert grey.mode == "LA"
    assert np.array_equal(read(saved(tmp_path, grey), 1, None), PIXELS[None, ..., 0])
    assert np.array_equal(read(saved(tmp_path, grey), 3, None), np.stack([PIXELS[..., 0]] * 3))


@pytest.mark.parametrize("transparency", [None, 3, bytes([0, 100, 255])])
def test_a_palette_becomes_its_colours(tmp_path, transparency):
    image = Image.fromarray(PIXELS).quantize(8)
    wanted = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    options = {} if transparency is None else {"transparency": transparency}
    path = saved(tmp_path, image, **options)
    with Image.open(path) as again:
        assert again.mode == "P"
    assert np.array_equal(read(path, 3, None), wanted)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.pgm"])
def test_of_16_bits_the_upper_8_are_kept(tmp_path, name, channels):
    values = np.array([[0, 255, 256, 32_768, 65_535]], np.uint16)
    path = saved(tmp_path, Image.fromarray(values), name)
    assert read(path, channels, None).tolist() == [[[0, 0, 1, 128, 255]]] * channels


def test_black_and_white_is_0_and_255(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.array([[True, False]])))
    assert read(path, 3, None).tolist() == [[[255, 0]]] * 3


def test_cmyk_becomes_rgb(tmp_path):
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[..., 1:3] = 255  # magenta and yellow: red
    path = saved(tmp_path, Image.fromarray(inks, "CMYK"), "a.tiff")
    assert read(path, 3, None)[:, 0, 0].tolist() == [255, 0, 0]
    assert read(path, 1, None)[:, 0, 0].tolist() == [76]


def box(values, count):
    """The mean of each `count` neighbours in both directions."""
    height, width = values.shape
    return values.reshape(height // count, count, width // count, count).mean((1, 3))


def test_size_is_height_and_width_and_resizing_has_no_aliases(tmp_path):
    stripes = np.zeros((64, 96, 3), np.uint8)
    stripes[:, ::2] = 200  # a wave too fine for the small image: without a filter, all or nothing
    path = saved(tmp_path, Image.fromarray(stripes))
    pixels = read(path, 3, (8, 12))
    assert pixels.shape == (3, 8, 12)
    assert np.abs(pixels[..., 1:-1].astype(int) - 100).max() <= 2
    smooth = np.add.outer(np.arange(64) * 2, np.arange(96)).astype(np.uint8)
    pixels = read(saved(tmp_path, Image.fromarray(smooth)), 1, (8, 12))[0]
    assert np.abs(pixels - box(smooth, 8))[1:-1, 1:-1].max() <= 1
    assert read(path, 3, (7, 200)).shape == (3, 7, 200)


def test_the_given_size_leaves_pixels_alone(tmp_path):
    path = saved(tmp_path, Image.fromarray(PIXELS))
    assert np.array_equal(read(path, 3, (6, 5)), PIXELS.transpose(2, 0, 1))


def bad(path, *parts, channels=3):
    with pytest.raises(DataError) as caught:
        read(path, channels, None)
    for part in (str(path), *parts):
        assert part in str(caught.value)


def cut(path, keep):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


NOISE = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.ppm", "a.tiff", "a.webp", "a.gif"])
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_image_is_refused(tmp_path, name, keep):
    bad(cut(saved(tmp_path, Image.fromarray(NOISE), name), keep))


def test_a_flipped_bit_of_a_png_is_noticed(tmp_path):
    path = saved(tmp_path, Image.fromarray(NOISE))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    bad(path, "not an intact image")


@pytest.mark.parametrize("content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x89PNG\r\n"])
def test_what_is_no_image_is_refused(tmp_path, content):
    path = tmp_path / "notes.png"
    path.write_bytes(content)
    bad(path, "no image; allowed: BMP", "PNG")


def test_a_file_that_is_gone_is_named(tmp_path):
    bad(tmp_path / "gone.png", "No such file")


@pytest.mark.parametrize("limit", [29, 10], ids=["warned about", "refused by Pillow"])
def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch, limit):
    path = saved(tmp_path, Image.fromarray(PIXELS))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    bad(path, "too large to be read safely", "30 pixels")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    assert read(path, 3, None).shape == (3, 6, 5)


@pytest.mark.parametrize("name", ["a.gif", "a.tiff", "a.png", "a.webp"])
def test_several_frames_are_refused(tmp_path, name):
    frames = [Image.fromarray(PIXELS + np.uint8(shift)) for shift in (0, 100, 200)]
    path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:])
    bad(path, "3 frames")


def test_a_cameras_jpeg_with_a_preview_is_its_first_image(tmp_path):
    photo, preview = Image.new("RGB", (16, 16), "white"), Image.new("RGB", (8, 8))
    path = saved(tmp_path, photo, "a.jpg", format="MPO", save_all=True, append_images=[preview])
    assert read(path, 3, None).min() == 255
    assert read(path, 3, None).shape == (3, 16, 16)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.zeros((2, 2), np.float32), "floats"),
        (np.full((2, 2), 65_536, np.int32), "more than 16 bits"),
        (np.full((2, 2), -1, np.int32), "more than 16 bits"),
    ],
)
def test_pixels_of_no_plain_meaning_are_refused(tmp_path, values, why):
    bad(saved(tmp_path, Image.fromarray(values), "a.tiff"), why)


def test_orientation_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path, Image.fromarray(PIXELS), exif=exif)
    assert np.array_equal(read(path, 3, None), PIXELS.transpose(2, 0, 1))


def test_only_formats_that_are_pixels_are_opened():
    Image.init()
    assert set(image_files.FORMATS) <= set(Image.OPEN)
    assert not {"EPS", "PDF", "FITS", "HDF5"} & set(image_files.FORMATS)
