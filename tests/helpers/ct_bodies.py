"""Small chests of known shape, written as NIfTI with any axes, or as a DICOM series."""

from pathlib import Path

import numpy as np

SPACING = (4.0, 4.0, 5.0)


def chest(heart_side: str = "left", table: bool = True) -> np.ndarray:
    """HU, int16 [R, A, S] (88 × 64 × 56): trunk, two lungs, spine behind, heart on one side."""
    axes = [(np.arange(n) - (n - 1) / 2) * d for n, d in zip((88, 64, 56), SPACING, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    hu = np.full(x.shape, -1000, np.int16)
    hu[(x / 160) ** 2 + (y / 105) ** 2 < 1] = 30
    for side in (-1, 1):
        inside = ((x - side * 75) / 55) ** 2 + (y / 75) ** 2 + ((z - 10) / 100) ** 2 < 1
        hu[inside] = -850
    hu[(x**2 + (y + 80) ** 2 < 18**2)] = 700
    at = 45 if heart_side == "right" else -45
    hu[((x - at) / 55) ** 2 + ((y - 20) / 45) ** 2 + ((z + 30) / 50) ** 2 < 1] = 60
    if table:
        hu[(np.abs(y + 120) < 3) & (np.abs(x) < 170)] = 300
    return hu


def write_nifti(path: Path, hu: np.ndarray, codes: str = "RAS", **changes) -> Path:
    """The same body, stored along other axes; ``changes``: affine, no_orientation."""
    import nibabel
    from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = [-174, -126, -137.5]
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    stored = nibabel.orientations.apply_orientation(hu, turn)
    placed = changes.get("affine", affine @ inv_ornt_aff(turn, hu.shape))
    image = nibabel.Nifti1Image(stored, placed)
    if changes.get("no_orientation"):
        image.set_sform(None, 0)
        image.set_qform(None, 0)
    nibabel.save(image, path)
    return path


def write_series(folder: Path, hu: np.ndarray) -> Path:
    """Axial slices as scanners store them (rows to the left, columns to the back)."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir(parents=True)
    lps = hu[::-1, ::-1]
    for k in range(hu.shape[2]):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[f"slice {k}"])
        slice_ = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        slice_.Modality = "CT"
        slice_.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
        slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        slice_.ImagePositionPatient = [-174.0, -126.0, -137.5 + SPACING[2] * k]
        slice_.PixelSpacing = [SPACING[1], SPACING[0]]
        slice_.RescaleSlope, slice_.RescaleIntercept = 1, -1024
        slice_.Rows, slice_.Columns = lps.shape[1], lps.shape[0]
        slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
        slice_.BitsAllocated = slice_.BitsStored = 16
        slice_.HighBit, slice_.PixelRepresentation = 15, 0
        slice_.PixelData = (lps[:, :, k].T.astype(np.int32) + 1024).astype("<u2").tobytes()
        # The names say nothing of the order.
        slice_.save_as(folder / f"{(k * 11) % hu.shape[2]:03}.dcm")
    return folder
