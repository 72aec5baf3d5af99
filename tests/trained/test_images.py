"""A person's own pictures: brought to size as said, refused in a line where they don't fit, never guessed at."""

import re
import struct

import numpy as np
import pytest
from PIL import Image

from underhood.errors import BadInput
from underhood.trained.images import notes, read
from underhood.training.preprocessing import Preprocessing

GREY = Preprocessing((1, 8, 8), 16, (0.3,), (0.4,))
COLOUR = Preprocessing((3, 8, 8), 255, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
WIDE = Preprocessing((3, 6, 8), 255, (0.0,) * 3, (1.0,) * 3)
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8)


def saved(path, pixels, mode=None, **options):
    Image.fromarray(pixels, mode).save(path, **options)
    return path


def one(given, wanted):
    (found,) = read(given, wanted)
    return found


def test_a_picture_of_the_right_size_is_taken_as_it_is(tmp_path):
    found = one(saved(tmp_path / "a.png", PIXELS), COLOUR)
    np.testing.assert_array_equal(found.pixels, PIXELS.transpose(2, 0, 1))
    assert (found.white, found.note) == (255, "")
    found = one(saved(tmp_path / "g.png", PIXELS[..., 0]), GREY)
    np.testing.assert_array_equal(found.pixels, PIXELS[None, ..., 0])
    assert found.white == 255  # a file's, whatever the data set's is


@pytest.mark.parametrize(
    ("size", "wanted", "note", "seen"),
    [
        ((640, 480), COLOUR, "resized from 640×480 by cropping to the centre square", (80, 0, 560, 480)),
        ((48, 64), COLOUR, "resized from 48×64 by cropping to the centre square", (0, 8, 48, 56)),
        ((64, 64), COLOUR, "resized from 64×64", (0, 0, 64, 64)),
        ((64, 64), WIDE, "resized from 64×64 by cropping to the centre 4:3", (0, 8, 64, 56)),
        ((4, 4), COLOUR, "resized from 4×4", (0, 0, 4, 4)),
        ((8, 6), WIDE, "", (0, 0, 8, 6)),
    ],
)
def test_another_size_is_cropped_to_the_centre_and_resized(tmp_path, size, wanted, note, seen):
    """What is inside decides, what is outside does not matter."""
    wide, high = size
    left, top, right, bottom = seen
    inside = np.full((high, wide, 3), 7, np.uint8)
    inside[top:bottom, left:right] = (250, 100, 30)
    found = one(saved(tmp_path / "a.png", inside), wanted)
    assert found.note == note
    assert found.pixels.shape == wanted.shape
    assert (found.pixels == np.array([250, 100, 30])[:, None, None]).all()


@pytest.mark.parametrize("upright", [True, False])
def test_of_a_picture_of_one_line_a_pixel_in_its_middle_is_left(tmp_path, upright):
    """An eighth of one pixel is none; the crop keeps one all the same."""
    line = np.zeros((1, 41, 3), np.uint8)
    line[:, 20] = (250, 100, 30)
    shape = (3, 3, 8) if upright else (3, 8, 3)
    wanted = Preprocessing(shape, 255, (0.0,) * 3, (1.0,) * 3)
    found = one(saved(tmp_path / "a.png", line.transpose(1, 0, 2) if upright else line), wanted)
    assert (found.pixels == np.array([250, 100, 30])[:, None, None]).all()
    ratio, size = ("8:3", "1×41") if upright else ("3:8", "41×1")
    assert found.note == f"resized from {size} by cropping to the centre {ratio}"


def test_shrinking_takes_the_mean_over_what_it_covers(tmp_path):
    """Not every eighth pixel: a chequerboard becomes its mean."""
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    found = one(saved(tmp_path / "a.png", board), GREY)
    assert np.abs(found.pixels.astype(float) - 127.5).max() < 4


def test_a_camera_held_sideways_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.png", np.rot90(PIXELS).copy(), exif=exif)
    found = one(path, COLOUR)
    np.testing.assert_array_equal(found.pixels, PIXELS.transpose(2, 0, 1))
    assert found.note == "turned upright as its EXIF says"


def test_what_is_the_same_picture_in_another_form_is_taken(tmp_path):
    grey = np.repeat(PIXELS[..., :1], 3, axis=2)
    found = one(saved(tmp_path / "a.png", grey), GREY)
    np.testing.assert_array_equal(found.pixels[0], PIXELS[..., 0])
    assert found.note == "its three channels are equal and were taken for grey"
    few = Image.fromarray(PIXELS).quantize(16)
    few.save(tmp_path / "p.png")
    colours = np.asarray(few.convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(one(tmp_path / "p.png", COLOUR).pixels, colours)
    bits = PIXELS[..., 0] > 99
    np.testing.assert_array_equal(one(saved(tmp_path / "b.png", bits), GREY).pixels[0], bits * 255)


def deep_colour(path):
    """A PNG with 16 bits a channel in colour, which Pillow would cut down to 8 without a word."""
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + bytes(8 * 6) for _ in range(8))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def animated(path):
    frames = [Image.fromarray(np.full((8, 8, 3), k, np.uint8)) for k in (0, 99)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


REFUSED = {
    "grey.png": (lambda p: saved(p, PIXELS[..., 0]), COLOUR, r"is grey \(1 channel\); the network learnt from colour"),
    "colour.png": (lambda p: saved(p, PIXELS), GREY, r"is in colour \(3 channels\); the network learnt from grey, 1"),
    "rgba.png": (lambda p: saved(p, np.dstack([PIXELS, PIXELS[..., :1]])), COLOUR, "has an alpha channel"),
    "la.png": (lambda p: saved(p, PIXELS[..., :2]), GREY, "has an alpha channel"),
    "clear.png": (lambda p: saved(p, PIXELS, transparency=(1, 2, 3)), COLOUR, "has an alpha channel"),
    "deep.png": (lambda p: saved(p, PIXELS[..., 0].astype(np.uint16) * 257), GREY, "more than 8 bits a channel"),
    "deep-colour.png": (deep_colour, COLOUR, "more than 8 bits a channel"),
    "cmyk.jpg": (lambda p: Image.fromarray(PIXELS).convert("CMYK").save(p), COLOUR, "its colours are CMYK"),
    "film.gif": (animated, COLOUR, "holds 2 pictures; one is expected"),
    "empty.png": (lambda p: p.write_bytes(b""), COLOUR, "is empty"),
    "text.png": (lambda p: p.write_text("no picture"), COLOUR, "not a picture that can be read"),
    "gone.png": (lambda p: None, COLOUR, "there is no such file"),
    "cut.npy": (lambda p: (np.save(p, PIXELS), p.write_bytes(p.read_bytes()[:-3])), COLOUR, "not a .npy file"),
    "objects.npy": (lambda p: np.save(p, np.array([{}, 1]), allow_pickle=True), COLOUR, "not a .npy file of numbers"),
    "rank.npy": (
        lambda p: np.save(p, np.zeros((1, 2, 8, 8, 3))),
        COLOUR,
        r"8, 3\); one image is \(8, 8, 3\)",
    ),
    "size.npy": (lambda p: np.save(p, np.zeros((9, 8))), GREY, r"one image is \(8, 8\), several are \(N, 8, 8\)"),
    "none.npy": (lambda p: np.save(p, np.zeros((0, 8, 8))), GREY, r"has the shape \(0, 8, 8\)"),
    "int.npy": (lambda p: np.save(p, np.zeros((8, 8), int)), GREY, "is int64; pixels are uint8, or floats from 0 to 1"),
    "high.npy": (lambda p: np.save(p, np.full((8, 8), 17, np.uint8)), GREY, "has pixels up to 17; .* white is 16"),
    "float.npy": (lambda p: np.save(p, np.full((8, 8), 1.5)), GREY, r"has values from 1\.5 to 1\.5"),
    "nan.npy": (lambda p: np.save(p, np.full((8, 8), np.nan)), GREY, "has values from nan to nan"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_in_a_line(tmp_path, name):
    make, wanted, said = REFUSED[name]
    make(tmp_path / name)
    with pytest.raises(BadInput) as raised:
        read(tmp_path / name, wanted)
    (line,) = str(raised.value).splitlines()
    assert re.search(rf"^{re.escape(str(tmp_path / name))}: .*{said}", line)


def test_a_folder(tmp_path):
    (tmp_path / "below").mkdir()
    with pytest.raises(BadInput, match=r"a folder without images \(\.bmp, .*\)$"):
        read(tmp_path, COLOUR)
    for name in ("b.png", "a.PNG", "below/c.png", ".hidden.png"):
        saved(tmp_path / name, PIXELS, format="PNG")
    with pytest.raises(BadInput, match="no such"):
        read([tmp_path, tmp_path / "gone"], COLOUR)
    (tmp_path / "notes.txt").write_text("no picture")
    np.save(tmp_path / "c.npy", np.stack([PIXELS, PIXELS]))
    assert [each.name.rpartition("/")[2] for each in read(tmp_path, COLOUR)] == [
        "a.PNG",
        "b.png",
        "c.npy[0]",
        "c.npy[1]",
    ]
    for name in ("b.png", "a.PNG", "c.npy"):
        (tmp_path / name).unlink()
    with pytest.raises(BadInput, match="1 lie in its sub-folders"):
        read(tmp_path, COLOUR)


def test_of_several_all_that_are_broken_are_named_and_nothing_is_read(tmp_path):
    paths = [saved(tmp_path / f"{k}.png", PIXELS) for k in range(4)]
    for k in (1, 3):
        paths[k].write_bytes(paths[k].read_bytes()[:90])
    with pytest.raises(BadInput) as raised:
        read(paths, COLOUR)
    first, second, last = str(raised.value).splitlines()
    assert first.startswith(f"{paths[1]}: not a picture")
    assert second.startswith(f"{paths[3]}: not a picture")
    assert last == "2 mistakes; nothing was predicted."


@pytest.mark.parametrize("wanted", [GREY, COLOUR])
def test_arrays_in_every_layout(wanted):
    channels = wanted.shape[0]
    images = RNG.integers(0, 16, (3, 8, 8, channels)).astype(np.uint8)
    layouts = [images, images.transpose(0, 3, 1, 2), list(images), [each.transpose(2, 0, 1) for each in images]]
    if channels == 1:
        layouts += [images[..., 0], list(images[..., 0]), images[..., 0].tolist()]
    for given in layouts:
        if isinstance(given, list) and isinstance(given[0], list):
            given = [np.array(each, np.uint8) for each in given]
        found = read(given, wanted)
        assert len(found) == 3
        for image, each in zip(images, found, strict=True):
            np.testing.assert_array_equal(each.pixels, image.transpose(2, 0, 1))
            assert each.white == wanted.white
    (found,) = read(images[0] / 16, wanted)
    assert found.white == 1
    (found,) = read((images[0, ..., 0] / 16).tolist() if channels == 1 else images[0] / 16, wanted)
    np.testing.assert_array_equal(found.pixels, images[0].transpose(2, 0, 1) / 16)


def test_tensors_of_either_library():
    import torch

    import underhood

    images = RNG.random((2, 3, 8, 8)).astype(np.float32)
    for given in (torch.from_numpy(images), underhood.from_numpy(images)):
        np.testing.assert_array_equal(np.stack([each.pixels for each in read(given, COLOUR)]), images)


def test_nothing_is_refused():
    with pytest.raises(BadInput, match="no images were given"):
        read([], COLOUR)


def test_what_was_done_is_said_once_for_many(tmp_path):
    big = np.zeros((16, 16, 3), np.uint8)
    paths = [saved(tmp_path / f"{k}.png", big) for k in range(3)] + [saved(tmp_path / "x.png", big[:8])]
    assert notes(read(paths, COLOUR)) == [
        "3 images: resized from 16×16",
        f"{tmp_path / 'x.png'}: resized from 16×8 by cropping to the centre square",
    ]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_damaged_picture_is_a_line_whatever_the_damage(tmp_path, kind):
    path = saved(tmp_path / "a.png", RNG.integers(0, 256, (24, 24, 3)).astype(np.uint8), format=kind)
    whole = path.read_bytes()
    for k in range(0, len(whole), max(1, len(whole) // 60)):
        for content in (whole[:k], whole[:k] + bytes([whole[k] ^ 0x55]) + whole[k + 1 :]):
            path.write_bytes(content)
            said = ""
            try:
                (found,) = read(path, COLOUR)
                assert found.pixels.shape == (3, 8, 8)
            except BadInput as error:
                said = str(error)
            assert said.startswith(str(path) if said else "")
            assert "\n" not in said
