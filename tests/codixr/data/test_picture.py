import importlib.util
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from codixr.data.picture import fit_square, read_picture, read_radiograph
from codixr.errors import InputError

REAL = Path(importlib.util.find_spec("data_store").submodule_search_locations[0]) / "data"
GREY = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
"""[64, 64], a ramp from left to right."""


def save(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_every_8_bit_png_gives_the_same_picture(tmp_path, mode):
    path = save(tmp_path / "a.png", Image.fromarray(GREY).convert(mode))
    np.testing.assert_allclose(read_picture(path)[0], GREY / 255, atol=1 / 255)


def test_a_16_bit_png_keeps_its_depth(tmp_path):
    deep = (GREY.astype(np.uint16) * 257) ^ 1
    pixels = read_picture(save(tmp_path / "a.png", Image.fromarray(deep)))
    np.testing.assert_allclose(pixels[0], deep / 65535, atol=1e-7)


def test_colour_becomes_luminance_and_transparent_becomes_black(tmp_path):
    colour = np.zeros((64, 64, 4), np.uint8)
    colour[:, :32] = (0, 255, 0, 255)
    colour[:, 32:] = (255, 255, 255, 0)
    pixels = read_picture(save(tmp_path / "a.png", Image.fromarray(colour)))[0]
    assert pixels[0, 0] == pytest.approx(0.587, abs=0.01)  # ITU-R 601
    assert pixels[0, 63] == 0


def test_a_jpeg_is_turned_as_its_camera_was_held(tmp_path):
    orientation = Image.Exif()
    orientation[0x0112] = 6  # a quarter turn clockwise
    path = save(tmp_path / "a.jpg", Image.fromarray(GREY), quality=98, exif=orientation)
    np.testing.assert_allclose(read_picture(path)[0], GREY.T / 255, atol=0.02)


@pytest.mark.parametrize(
    ("dtype", "photometric"),
    [(np.uint8, "minisblack"), (np.uint16, "minisblack"), (np.uint16, "miniswhite")],
)
def test_tiff_in_both_depths_and_polarities(tmp_path, dtype, photometric):
    largest = np.iinfo(dtype).max
    stored = (GREY.astype(np.float64) / 255 * largest).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric)
    expected = stored / largest
    if photometric == "miniswhite":
        expected = 1 - expected
    np.testing.assert_allclose(read_picture(tmp_path / "a.tif")[0], expected, atol=1 / 255)


def test_a_float_tiff_in_the_unit_range_is_read(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", (GREY / 255).astype(np.float32))
    np.testing.assert_allclose(read_picture(tmp_path / "a.tif")[0], GREY / 255, atol=1e-6)


def test_the_content_decides_not_the_name(tmp_path):
    png = save(tmp_path / "a.png", Image.fromarray(GREY))
    renamed = png.rename(tmp_path / "scan.dcm")
    np.testing.assert_allclose(read_picture(renamed)[0], GREY / 255, atol=1e-6)


@pytest.mark.parametrize("size", [64, 256])
def test_a_real_chest_is_padded_with_black_after_inversion(size):
    picture = read_picture(REAL / "RG1_UNCR.dcm", size)
    assert picture.shape == (1, size, size)
    assert picture.dtype == np.float32
    margin = round((1955 - 1841) / 2 / 1955 * size) - 1
    assert picture[0, :, :margin].max() == 0
    assert picture[0, :, -margin:].max() == 0
    assert picture[0, size // 2, size // 2] > 0.5  # spine


def test_the_notes_reach_the_user():
    assert read_radiograph(REAL / "RG1_UNCR.dcm").notes


@given(
    pixels=arrays(
        np.float32,
        st.tuples(st.integers(16, 40), st.integers(16, 40)),
        elements=st.floats(0, 1, width=32),
    ),
    size=st.sampled_from([8, 17, 64]),
)
def test_fitting_gives_a_square_within_the_pictures_own_range(pixels, size):
    fitted = fit_square(pixels, size)
    assert fitted.shape == (1, size, size)
    assert fitted.dtype == np.float32
    assert pixels.max() >= fitted.max() - 1e-6
    assert fitted.min() >= 0
    if pixels.shape == (size, size):
        np.testing.assert_array_equal(fitted[0], pixels)


def test_reducing_is_antialiased():
    stripes = np.zeros((256, 256), np.float32)
    stripes[:, ::2] = 1
    np.testing.assert_allclose(fit_square(stripes, 64)[..., 1:-1], 0.5, atol=1e-3)


def test_odd_margins_are_centred():
    fitted = fit_square(np.ones((20, 17), np.float32), 20)[0]
    assert np.flatnonzero(fitted[0]).tolist() == list(range(1, 18))


def truncated(path: Path) -> None:
    rng = np.random.default_rng(0)
    save(path, Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)), format="PNG")
    path.write_bytes(path.read_bytes()[:2000])


def bit_flipped(path: Path) -> None:
    save(path, Image.fromarray(GREY), format="PNG")
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)


def bomb(path: Path) -> None:
    """A PNG header that promises 60,000 × 60,000 pixels."""
    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + bytes(8))


def nan(path: Path) -> None:
    tifffile.imwrite(path, np.full((64, 64), np.nan, np.float32))


def pages(path: Path) -> None:
    Image.fromarray(GREY).save(
        path, format="TIFF", save_all=True, append_images=[Image.new("L", (64, 64))]
    )


def moving(path: Path) -> None:
    Image.fromarray(GREY).save(
        path, format="PNG", save_all=True, append_images=[Image.new("L", (64, 64))]
    )


REFUSED = {
    "missing": (lambda path: None, "No such file"),
    "folder": (Path.mkdir, "is a folder"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "text": (
        lambda path: path.write_text("not a picture " * 20),
        "not a PNG, JPEG, TIFF, BMP, GIF, .npy or DICOM",
    ),
    "WebP": (lambda path: Image.fromarray(GREY).save(path, format="WEBP"), "not a PNG"),
    "truncated": (truncated, "truncated or corrupt"),
    "bit flipped": (bit_flipped, "damaged|corrupt"),
    "bomb": (bomb, "far too many pixels"),
    "NaN": (nan, "NaN"),
    "float range": (lambda p: tifffile.imwrite(p, GREY.astype(np.float32)), "outside 0 to 1"),
    "32-bit": (lambda p: tifffile.imwrite(p, GREY.astype(np.uint32) * 4096), "white is unknown"),
    "signed": (lambda p: tifffile.imwrite(p, GREY.astype(np.int16)), "signed integers"),
    "one pixel": (lambda p: Image.new("L", (1, 1), 9).save(p, format="PNG"), "1×1 pixels"),
    "black": (lambda p: Image.new("L", (64, 64)).save(p, format="PNG"), "same value"),
    "pages": (pages, "2 frames or pages"),
    "animated": (moving, "2 frames or pages"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_radiograph_is_refused_in_one_line(tmp_path, kind):
    make, message = REFUSED[kind]
    path = tmp_path / "scan"
    make(path)
    with pytest.raises(InputError, match=message) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
