"""DICOM arithmetic: files written here, a real CR chest, and the odd files that pydicom ships."""

import importlib.util
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from codixr.data.dicom import is_dicom, read_dicom
from codixr.errors import InputError

PATIENT = "Zebra^Person"
REAL = Path(importlib.util.find_spec("data_store").submodule_search_locations[0]) / "data"
ODD = Path(pydicom.__file__).parent / "data" / "test_files"


def write(path: Path, pixels: np.ndarray, bits: int, **elements: object) -> Path:
    """A CR file with these stored values."""
    dataset = Dataset()
    dataset.PatientName = PATIENT
    dataset.PatientID = PATIENT
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = pixels.dtype.itemsize * 8
    dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def ramp(bits: int, dtype=np.uint16) -> np.ndarray:
    """[20, 30], from the least to the greatest value that ``bits`` can store."""
    low = -(2 ** (bits - 1)) if np.issubdtype(dtype, np.signedinteger) else 0
    high = low + 2**bits - 1
    return np.linspace(low, high, 600).round().reshape(20, 30).astype(dtype)


@pytest.mark.parametrize(
    ("bits", "dtype"),
    [(8, np.uint8), (10, np.uint16), (12, np.uint16), (15, np.uint16), (16, np.uint16)],
)
def test_bits_stored_scales_the_values(tmp_path, bits, dtype):
    stored = ramp(bits, dtype)
    pixels = read_dicom(write(tmp_path / "a.dcm", stored, bits)).pixels
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels, stored / (2**bits - 1), atol=1e-6)
    assert (pixels.min(), pixels.max()) == (0, 1)


def test_the_pictures_own_maximum_does_not_scale(tmp_path):
    stored = np.full((20, 30), 1000, np.uint16)
    pixels = read_dicom(write(tmp_path / "a.dcm", stored, 12)).pixels
    np.testing.assert_allclose(pixels, 1000 / 4095, rtol=1e-6)


@pytest.mark.parametrize("bits", [12, 15, 16])
def test_monochrome1_is_inverted_within_bits_stored(tmp_path, bits):
    stored = ramp(bits)
    path = write(tmp_path / "a.dcm", stored, bits, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(
        read_dicom(path).pixels, (2**bits - 1 - stored.astype(float)) / (2**bits - 1), atol=1e-6
    )


@pytest.mark.parametrize("bits", [12, 16])
def test_signed_values_fill_the_same_range(tmp_path, bits):
    signed = read_dicom(write(tmp_path / "s.dcm", ramp(bits, np.int16), bits)).pixels
    unsigned = read_dicom(write(tmp_path / "u.dcm", ramp(bits), bits)).pixels
    np.testing.assert_allclose(signed, unsigned, atol=1.01 / 2**bits)
    assert (signed.min(), signed.max()) == (0, 1)


def test_a_linear_rescale_cancels_and_a_negative_slope_inverts(tmp_path):
    stored = ramp(12)
    plain = read_dicom(write(tmp_path / "a.dcm", stored, 12)).pixels
    scaled = write(tmp_path / "b.dcm", stored, 12, RescaleSlope="4", RescaleIntercept="-1024")
    negative = write(tmp_path / "c.dcm", stored, 12, RescaleSlope="-1", RescaleIntercept="4095")
    np.testing.assert_array_equal(read_dicom(scaled).pixels, plain)
    np.testing.assert_allclose(read_dicom(negative).pixels, 1 - plain, atol=1e-6)
    both = {"PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": "-1"}
    np.testing.assert_array_equal(
        read_dicom(write(tmp_path / "d.dcm", stored, 12, **both)).pixels, plain
    )


def test_unused_high_bits_are_ignored(tmp_path):
    stored = ramp(12)
    overlaid = stored | np.uint16(0x8000)
    np.testing.assert_array_equal(
        read_dicom(write(tmp_path / "a.dcm", overlaid, 12)).pixels,
        read_dicom(write(tmp_path / "b.dcm", stored, 12)).pixels,
    )


@pytest.mark.parametrize(
    ("spacing", "shape"),
    [
        ({"PixelSpacing": [0.139, 0.139]}, (20, 30)),
        ({"PixelSpacing": [0.1395, 0.1385]}, (20, 30)),
        ({"PixelSpacing": [0.278, 0.278]}, (40, 60)),
        ({"PixelSpacing": [0.139, 0.278]}, (20, 60)),
        ({"ImagerPixelSpacing": [0.278, 0.139]}, (40, 30)),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.278, 0.278]}, (40, 60)),
        ({"PixelSpacing": [0.278, 0.278], "ImagerPixelSpacing": [0.139, 0.139]}, (40, 60)),
    ],
)
def test_the_grid_is_resampled_to_the_papers_spacing(tmp_path, spacing, shape):
    radiograph = read_dicom(write(tmp_path / "a.dcm", ramp(12), 12, **spacing))
    assert radiograph.pixels.shape == shape
    assert radiograph.notes == ()


@pytest.mark.parametrize(
    "spacing", [{}, {"PixelSpacing": [0, 0]}, {"PixelSpacing": [0.139, 33.3]}, {"PixelSpacing": []}]
)
def test_an_unusable_spacing_keeps_the_grid_and_is_noted(tmp_path, spacing):
    radiograph = read_dicom(write(tmp_path / "a.dcm", ramp(12), 12, **spacing))
    assert radiograph.pixels.shape == (20, 30)
    assert "spacing" in radiograph.notes[0]


def test_a_real_chest_is_inverted_and_fills_its_grid():
    radiograph = read_dicom(REAL / "RG1_UNCR.dcm")
    assert radiograph.pixels.shape == (1955, 1841)
    assert "spacing" in radiograph.notes[0]  # the file says [0.000, 0.000]
    # 15 bits, MONOCHROME1, stored 874 … 26479: read once with pydicom alone.
    assert radiograph.pixels.max() == pytest.approx((32767 - 874) / 32767, abs=1e-6)
    assert radiograph.pixels.min() == pytest.approx((32767 - 26479) / 32767, abs=1e-6)
    lungs, shoulders = radiograph.pixels[500:900, 400:600], radiograph.pixels[200:300, 100:250]
    assert lungs.mean() < shoulders.mean()  # air is dark


@pytest.mark.parametrize(("name", "largest"), [("RG1_J2KR", 0.0), ("RG1_J2KI", 0.02)])
def test_compressed_files_give_the_same_picture(name, largest):
    plain = REAL / f"{name.replace('J2K', 'UNC')}.dcm"
    difference = read_dicom(REAL / f"{name}.dcm").pixels - read_dicom(plain).pixels
    assert np.abs(difference).max() <= largest


def test_the_steps_agree_with_plain_pydicom_and_pillow():
    dataset = pydicom.dcmread(REAL / "RG3_UNCR.dcm")
    plain = dataset.pixel_array.astype(np.float64) / (2**dataset.BitsStored - 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        plain = 1 - plain
    plain = plain[:, ::-1]  # its Patient Orientation is R\\F: the patient's right is on the right
    np.testing.assert_allclose(read_dicom(REAL / "RG3_UNCR.dcm").pixels, plain, atol=1e-6)


BAD_HEADERS = {
    "no pixels": ({"PixelData": None}, "no picture"),
    "several frames": ({"NumberOfFrames": 2}, "2 frames"),
    "colour": ({"PhotometricInterpretation": "RGB"}, "colour DICOM .*RGB"),
    "palette": ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
    "odd photometric": ({"PhotometricInterpretation": "ZEBRA"}, "unknown"),
    "three samples": ({"SamplesPerPixel": 3}, "colour"),
    "no rows": ({"Rows": None}, "Rows is missing"),
    "zero rows": ({"Rows": 0}, "30×0 pixels"),
    "huge": ({"Rows": 65535, "Columns": 65535}, "65535×65535"),
    "bits stored over allocated": ({"BitsStored": 17, "HighBit": 16}, "Bits Stored 17 of 16"),
    "zero bits": ({"BitsStored": 0, "HighBit": 0}, "Bits Stored 0"),
    "left-justified": ({"HighBit": 15}, "High Bit 15"),
    "pixels missing at the end": ({"Rows": 40}, "cannot be decoded"),
}


@pytest.mark.parametrize("kind", BAD_HEADERS)
def test_what_is_no_radiograph_is_refused_without_naming_the_patient(tmp_path, kind):
    elements, message = BAD_HEADERS[kind]
    path = write(tmp_path / "scan.dcm", ramp(12), 12, **elements)
    with pytest.raises(InputError, match=message) as caught:
        read_dicom(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "Zebra" not in str(caught.value)


@pytest.mark.parametrize("length", [140, 400, 700, 1200])
def test_a_truncated_file_is_refused(tmp_path, length):
    whole = write(tmp_path / "a.dcm", ramp(12), 12).read_bytes()
    (tmp_path / "b.dcm").write_bytes(whole[:length])
    with pytest.raises(InputError, match=r"b\.dcm"):
        read_dicom(tmp_path / "b.dcm")


@pytest.mark.filterwarnings("error")
def test_pydicoms_own_odd_files_are_read_or_refused_in_one_line():
    read, refused = 0, {}
    for path in [p for p in ODD.rglob("*") if p.is_file() and "TINY_ALPHA" not in p.parts]:
        try:
            pixels = read_dicom(path).pixels
        except InputError as error:
            refused[path] = str(error)
        else:
            read += 1
            assert pixels.ndim == 2
            assert 0 <= pixels.min() <= pixels.max() <= 1
    assert read > 20
    assert len(refused) > 40
    for path, message in refused.items():
        assert message.startswith(f"{path}: ")
        assert "\n" not in message


def test_dicom_is_told_by_its_mark(tmp_path):
    assert is_dicom((REAL / "RG1_UNCR.dcm").read_bytes())
    Image.new("L", (20, 20)).save(tmp_path / "a.png")
    assert not is_dicom((tmp_path / "a.png").read_bytes())
    assert not is_dicom(b"DICM")
