"""Every form of picture file that people have: the same pixels everywhere, or refused by name."""

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from codixr.data.picture import fit_file, read_pixels
from codixr.data.radiograph import PictureError
from codixr_bench.cli import main
from helpers.dicom_files import film

SIDE = 64
RAMP = np.add.outer(np.arange(0, 128, 2), np.arange(0, 128, 2)).astype(np.uint8)
"""[64, 64], 0 to 252, brighter to the right and downwards."""
DEEP = RAMP.astype(np.uint16) * 257


def pil(mode: str, suffix: str, **options: object):
    return lambda path: (
        Image.fromarray(RAMP).convert(mode).save(path.with_suffix(suffix), **options)
    )


def with_alpha(mode: str, suffix: str):
    """The left half transparent."""

    def make(path: Path) -> None:
        picture = Image.fromarray(RAMP).convert(mode)
        alpha = np.full((SIDE, SIDE), 255, np.uint8)
        alpha[:, : SIDE // 2] = 0
        picture.putalpha(Image.fromarray(alpha))
        picture.save(path.with_suffix(suffix))

    return make


def turned(suffix: str):
    def make(path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        stored = Image.fromarray(np.rot90(RAMP).copy())
        stored.save(
            path.with_suffix(suffix), exif=exif, **({"quality": 100} if "j" in suffix else {})
        )

    return make


def tiff(values: np.ndarray, **options: object):
    return lambda path: tifffile.imwrite(path.with_suffix(".tif"), values, **options)


def npy(values: np.ndarray):
    return lambda path: np.save(path.with_suffix(".npy"), values)


def deep_colour_png(path: Path) -> None:
    rows = np.zeros((SIDE, 1 + 6 * SIDE), np.uint8)
    rows[:, 1:] = (
        np.repeat(DEEP[..., None], 3, axis=2).astype(">u2").view(np.uint8).reshape(SIDE, -1)
    )
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    body = zlib.compress(rows.tobytes())
    path.with_suffix(".png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def dicom(**elements: object):
    return lambda path: path.with_suffix(".dcm").write_bytes(film(DEEP, **elements))


ACCEPTED = {
    "grey PNG": (pil("L", ".png"), 0),
    "colour PNG": (pil("RGB", ".png"), 0),
    "palette PNG": (pil("P", ".png"), 0),
    "PNG with alpha": (pil("RGBA", ".png"), 0),
    "16-bit PNG": (lambda p: Image.fromarray(DEEP).save(p.with_suffix(".png")), 0),
    "16-bit colour PNG": (deep_colour_png, 0),
    "turned PNG": (turned(".png"), 0),
    "JPEG": (pil("L", ".jpg", quality=100), 1.5 / 255),
    "CMYK JPEG": (pil("CMYK", ".jpg", quality=100), 3 / 255),
    "turned JPEG": (turned(".jpg"), 1.5 / 255),
    "BMP": (pil("L", ".bmp"), 0),
    "colour BMP": (pil("RGB", ".bmp"), 0),
    "GIF": (pil("L", ".gif"), 0),
    "TIFF": (tiff(RAMP), 0),
    "white-is-zero TIFF": (tiff(255 - RAMP, photometric="miniswhite"), 0),
    "16-bit TIFF": (tiff(DEEP), 0),
    "white-is-zero 16-bit TIFF": (tiff(65535 - DEEP, photometric="miniswhite"), 1e-6),
    "big-endian 16-bit TIFF": (tiff(DEEP, byteorder=">"), 0),
    "tiled TIFF": (tiff(DEEP, tile=(32, 32)), 0),
    "packed TIFF": (tiff(DEEP, compression="zlib", predictor=True), 0),
    "float TIFF": (tiff((DEEP / 65535).astype(np.float32)), 1e-6),
    "white-is-zero float TIFF": (
        tiff((1 - DEEP / 65535).astype(np.float32), photometric="miniswhite"), 1e-6,
    ),
    "big TIFF": (tiff(DEEP, bigtiff=True), 0),
    "ImageJ's TIFF": (tiff(DEEP, imagej=True), 0),
    "OME TIFF": (tiff(DEEP, ome=True, metadata={"axes": "YX"}), 0),
    "turned 16-bit TIFF": (tiff(np.rot90(DEEP).copy(), extratags=[(274, 3, 1, 6, True)]), 0),
    "TIFF in planes": (
        tiff(np.stack([RAMP] * 3), photometric="rgb", planarconfig="separate"), 0,
    ),
    "colour TIFF": (tiff(np.repeat(RAMP[..., None], 3, 2), photometric="rgb"), 0),
    "CMYK TIFF": (pil("CMYK", ".tif"), 0),
    "turned TIFF": (tiff(np.rot90(RAMP).copy(), extratags=[(274, 3, 1, 6, True)]), 0),
    "8-bit NumPy": (npy(RAMP), 0),
    "16-bit NumPy": (npy(DEEP[None]), 0),
    "big-endian NumPy": (npy(DEEP.astype(">u2")), 0),
    "NumPy by columns": (npy(np.asfortranarray(DEEP)), 0),
    "float NumPy": (npy((DEEP / 65535).astype(np.float64)), 1e-6),
    "DICOM": (dicom(), 0),
    "inverted DICOM": (dicom(PhotometricInterpretation="MONOCHROME1", inverted=True), 1e-6),
    "LUT INVERSE DICOM": (dicom(PresentationLUTShape="INVERSE", inverted=True), 1e-6),
    "DX of both": (
        dicom(
            PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE", inverted=True
        ),
        1e-6,
    ),
    "mirrored DICOM": (dicom(PatientOrientation=["R", "F"], mirrored=True), 0),
    "upside-down DICOM": (dicom(PatientOrientation=["L", "H"], upside_down=True), 0),
    "transposed DICOM": (dicom(PatientOrientation=["F", "L"], transposed=True), 0),
    "DICOM without preamble": (dicom(bare=True), 0),
    "DICOM without transfer syntax": (dicom(no_syntax=True), 0),
}  # fmt: skip


@pytest.mark.parametrize("form", ACCEPTED)
def test_every_form_gives_the_same_pixels(form, tmp_path):
    make, tolerance = ACCEPTED[form]
    make(tmp_path / "scan")
    (path,) = tmp_path.iterdir()
    found = read_pixels(path)
    np.testing.assert_allclose(found.pixels, RAMP / 255, atol=tolerance + 1e-7)
    fitted = fit_file(path, SIDE, path.read_bytes())
    np.testing.assert_allclose(fitted.image[0], RAMP / 255, atol=tolerance + 2e-5)


@pytest.mark.parametrize("form", ACCEPTED)
def test_perfect_pictures_of_every_form_have_no_distance(form, tmp_path, capsys, reference):
    make, _ = ACCEPTED[form]
    made = tmp_path / "made"
    made.mkdir()
    for number in range(4):
        make(made / f"{number}")
    capsys.readouterr()
    assert main(["fid", str(made), str(reference), "--backbone", "phantom", "--json"]) == 0
    (score,) = json.loads(capsys.readouterr().out)["scores"]
    assert score["value"] == pytest.approx(0, abs=0.005)


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    for number in range(4):
        Image.fromarray(RAMP).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(("mode", "suffix"), [("L", ".png"), ("RGB", ".png"), ("RGB", ".tif")])
def test_alpha_lies_over_black_in_every_form(mode, suffix, tmp_path):
    with_alpha(mode, suffix)(tmp_path / "scan")
    pixels = read_pixels(next(tmp_path.iterdir())).pixels
    assert pixels[:, : SIDE // 2].max() == 0
    np.testing.assert_allclose(pixels[:, SIDE // 2 :], RAMP[:, SIDE // 2 :] / 255, atol=1e-6)


REFUSED = {
    "signed TIFF": (tiff(RAMP.astype(np.int16)), "signed integers", "of unknown white"),
    "signed 8-bit TIFF": (tiff(RAMP.astype(np.int8)), "signed integers", "of unknown white"),
    "32-bit TIFF": (tiff(DEEP.astype(np.uint32) * 9), "white is unknown", "of unknown white"),
    "16-bit colour TIFF": (
        tiff(np.repeat(DEEP[..., None], 3, 2), photometric="rgb"),
        "in colours or with alpha, of 16 bits a channel; save it in grey, or with 8 bits a channel",
        "corrupt",
    ),
    "16-bit TIFF with alpha": (
        tiff(
            np.dstack([DEEP, DEEP]), photometric="minisblack", extrasamples=["unassalpha"],
            planarconfig="contig",
        ),
        "save it as a grey PNG of 8 or 16 bits", "corrupt",
    ),
    "64-bit TIFF": (tiff(RAMP.astype(np.uint64)), "save it as a grey PNG", "corrupt"),
    "pages": (
        tiff(np.stack([RAMP, RAMP]), photometric="minisblack"), "2 frames", "of several frames",
    ),
    "NaN": (npy(np.full((SIDE, SIDE), np.nan)), "NaN", "NaN or infinite"),
    "float range": (npy(RAMP.astype(np.float32)), "outside 0 to 1", "out of range (not in [0, 1])"),
    "integers": (npy(RAMP.astype(np.int64)), "int64, whose white", "of unknown white"),
    "objects": (npy(np.array([{}], dtype=object)), "not a NumPy file", "corrupt"),
    "broken link": (lambda p: p.symlink_to("gone.png"), "broken link: 'gone.png'", "broken-link"),
    "pipe": (lambda p: os.mkfifo(p), "pipe or a device", "corrupt"),
    "colour DICOM": (dicom(PhotometricInterpretation="RGB"), "colour DICOM", "corrupt"),
    "truncated DICOM": (
        lambda p: p.write_bytes(film(DEEP, compressed=True)[:-2000]), "truncated", "corrupt",
    ),
    "deflated bomb": (
        lambda p: p.write_bytes(film(DEEP, bomb=True)), "unpacks to more", "too large",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", REFUSED)
def test_what_means_nothing_certain_is_refused_by_name(form, tmp_path):
    make, message, fault = REFUSED[form]
    make(tmp_path / "scan")
    with pytest.raises(PictureError, match=message) as caught:
        read_pixels(next(tmp_path.iterdir()))
    assert caught.value.fault == fault
    assert "\n" not in str(caught.value)


def test_a_huge_array_is_refused_by_its_header(tmp_path):
    np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint16, (20_000, 20_000)).flush()
    with pytest.raises(PictureError, match="20000×20000 pixels"):
        read_pixels(tmp_path / "a.npy")


def notes_of(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return " ".join(read_pixels(path).notes)


def test_what_a_reader_should_know_is_noted(tmp_path):
    path = tmp_path / "scan.dcm"
    dark = (DEEP >> 4).astype(np.uint16)
    Image.fromarray(dark).save(tmp_path / "dark.png")
    assert "uses 6 % of its range" in " ".join(read_pixels(tmp_path / "dark.png").notes)
    assert "uses 6 % of its range" in notes_of(path, film(dark))
    assert "uses" not in notes_of(path, film(dark, bits=12))
    assert "its Modality is CT" in notes_of(path, film(DEEP, Modality="CT"))
    assert "its Modality is MR" in notes_of(path, film(DEEP, Modality="MR"))
    assert "Modality" not in notes_of(path, film(DEEP, Modality="DX"))
    assert "disagree" in notes_of(path, film(DEEP, PresentationLUTShape="INVERSE"))
    assert "turned upright" in notes_of(path, film(DEEP, PatientOrientation=["R", "F"]))
    shutter = film(DEEP, ShutterShape="RECTANGULAR", PresentationIntentType="FOR PROCESSING")
    assert "not applied: Display Shutter, Presentation Intent" in notes_of(path, shutter)
    colours = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "c.png")
    assert "in colours" in " ".join(read_pixels(tmp_path / "c.png").notes)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_in_every_polarity(photometric, tmp_path):
    padded = np.clip(DEEP, 100, 60_000)
    padded[:, :12] = 65_535 if photometric == "MONOCHROME2" else 0
    content = film(
        padded, PhotometricInterpretation=photometric, PixelPaddingValue=int(padded[0, 0])
    )
    (tmp_path / "scan.dcm").write_bytes(content)
    for pixels in (
        read_pixels(tmp_path / "scan.dcm").pixels,
        fit_file(tmp_path / "scan.dcm", SIDE, content).image[0],
    ):
        assert pixels[:, :12].max() < 1e-4
        assert pixels[:, 13:].min() > 0.001


def test_a_modality_lut_is_applied(tmp_path):
    from pydicom.dataset import Dataset

    table = np.linspace(4095, 0, 65536).astype(np.uint16)
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [0, 0, 12], "US"
    item.LUTData = table.tobytes()
    item["LUTData"].VR = "OW"
    content = film(DEEP, ModalityLUTSequence=[item])
    (tmp_path / "scan.dcm").write_bytes(content)
    np.testing.assert_allclose(
        read_pixels(tmp_path / "scan.dcm").pixels, table[DEEP] / 4095, atol=1e-6
    )


def test_pixels_that_are_not_square_become_so(tmp_path):
    (tmp_path / "scan.dcm").write_bytes(film(DEEP[::2], PixelAspectRatio=[2, 1]))
    pixels = read_pixels(tmp_path / "scan.dcm").pixels
    assert pixels.shape == (SIDE, SIDE)
    np.testing.assert_allclose(pixels[8:-8], RAMP[8:-8] / 255, atol=0.01)
