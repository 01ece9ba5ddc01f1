"""One chest CT, NIfTI or a DICOM series → Hounsfield units on a working grid, axes to R, A, S.

Notable:
- The orientation comes from the header alone: the axes are reordered and turned until they run to
  the patient's Left→Right, Posterior→Anterior, Inferior→Superior. A header that doesn't say where
  the patient's sides are is refused: a guess would mirror hearts.
- Voxels are averaged in whole blocks down to the working size, slab by slab: the stored values are
  the only large array (16 bits a voxel), and thin slices give less noise, not more work.
- Messages hold the path and technical values, nothing that names a patient.
"""

import gzip
import math
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codixr.data.codec import CodecError, decode_apart
from codixr.errors import InputError

MIN_SLICES = 24
PLAUSIBLE_SPACING = (0.2, 10.0)
"""Millimetres a voxel, along any axis."""
PLAUSIBLE_EXTENT = (150.0, 900.0)
"""Millimetres of the scan along any axis: smaller isn't a chest, larger isn't a body."""
MAX_VOXELS = 1 << 30
MAX_SHEAR = 0.02
"""Cosine between two axes of the grid; a tilted gantry is more."""
MAX_OBLIQUE = 20.0
"""Degrees between the grid's axes and the patient's."""
MIN_HU, MAX_HU = -1024.0, 3071.0

_INSTALL = "reading CT needs nibabel and nanodrr: pip install 'codixr[ct]'"
_CURE = "export or download it again"
_INDEX = "DICOMDIR"
_UNCOMPRESSED = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)


@dataclass(frozen=True, slots=True)
class CtVolume:
    """``hu``: float32 [R, A, S], −1024 … 3071; ``affine`` [4, 4]: voxel index → millimetres."""

    hu: NDArray[np.float32]
    affine: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    """What a reader should know of the files."""

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres a voxel along each axis."""
        x, y, z = (float(side) for side in np.linalg.norm(self.affine[:3, :3], axis=0))
        return x, y, z


@dataclass(frozen=True, slots=True)
class _Stored:
    """Stored values and what makes Hounsfield units of them, one slope and intercept a slice."""

    values: NDArray[np.generic]
    affine: NDArray[np.float64]
    slope: float
    intercept: float
    notes: tuple[str, ...] = ()


def read_ct(path: Path, voxel: float) -> CtVolume:
    """Read a NIfTI file, or a folder that holds one DICOM series; voxels of about ``voxel`` mm.

    InputError for a file that is missing, damaged, not a CT, too small, not finite, not in
    Hounsfield units, or whose header doesn't say how the patient lies.
    """
    try:
        stored = _read_series(path) if path.is_dir() else _read_nifti(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror or 'damaged'}; {_CURE}"
        ) from None
    _check_grid(stored, path)
    volume = _check_units(_working(_canonical(stored), voxel, path), path)
    return replace(volume, notes=stored.notes)


def _read_nifti(path: Path) -> _Stored:
    try:
        import nibabel
    except ImportError:
        raise InputError(_INSTALL) from None
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the folder that holds the volumes")
    try:
        image: Any = nibabel.load(path)
        if not isinstance(image, nibabel.Nifti1Image):
            raise InputError(f"{path}: not a NIfTI file; give .nii, .nii.gz or a DICOM series")
        if int(image.header["qform_code"]) == 0 and int(image.header["sform_code"]) == 0:
            raise InputError(
                f"{path}: its header has no orientation (qform and sform are 0): left and right "
                "can't be told apart; convert it again from DICOM"
            )
        _check_agreement(image, path)
        shape = tuple(n for n in image.shape if n != 1) if len(image.shape) > 3 else image.shape
        if len(shape) != 3:
            raise InputError(f"{path}: {len(shape)} axes; a CT volume has three")
        _check_count(shape, path)
        stored: Any = image.dataobj
        if stored.dtype.kind not in "iuf":
            raise InputError(
                f"{path}: holds colours or complex numbers; a CT has one value a voxel"
            )
        values = np.asanyarray(stored.get_unscaled()).reshape(shape)
        slope, intercept = stored.slope, stored.inter
        return _Stored(values, np.asarray(image.affine, np.float64), float(slope), float(intercept))
    except (InputError, FileNotFoundError):
        raise
    except (gzip.BadGzipFile, zlib.error, EOFError, OSError):
        raise InputError(f"{path}: truncated or corrupt; {_CURE}") from None
    except Exception as error:  # nibabel raises anything on broken headers
        raise InputError(f"{path}: corrupt NIfTI ({type(error).__name__}); {_CURE}") from None


def _check_agreement(image: Any, path: Path) -> None:
    """InputError where qform and sform name other sides: a guess would mirror hearts."""
    import nibabel

    if not (int(image.header["qform_code"]) and int(image.header["sform_code"])):
        return
    codes: Any = nibabel.aff2axcodes
    q, s = (codes(form) for form in (image.get_qform(), image.get_sform()))
    if q != s:
        raise InputError(
            f"{path}: its qform says {''.join(map(str, q))} and its sform {''.join(map(str, s))}: "
            "left and right can't be told apart; convert it again from DICOM"
        )


def _read_series(folder: Path) -> _Stored:
    """The files of one DICOM series, sorted along the normal of their planes."""
    skipped: list[str] = []
    slices = sorted(_slices(folder, skipped), key=lambda s: s.position)
    if len(slices) < MIN_SLICES:
        raise InputError(f"{folder}: {len(slices)} slices; a chest has at least {MIN_SLICES}")
    first = slices[0]
    for one in slices:
        if one.series != first.series:
            raise InputError(f"{folder}: holds several series; give each a folder of its own")
        if one.grid != first.grid or one.pixels.shape != first.pixels.shape:
            raise InputError(f"{folder}: its slices differ in size, spacing or direction")
    gaps = np.diff([one.position for one in slices])
    gap = float(np.median(gaps))
    if gap <= 0 or not np.allclose(gaps, gap, rtol=0.05, atol=0.02):
        raise InputError(f"{folder}: slices are missing, or there twice; {_CURE}")
    row, column, spacing = first.row, first.column, first.spacing
    affine = np.eye(4)
    # DICOM: row index along ``column`` direction, millimetres to Left and Posterior.
    affine[:3, 0] = row * spacing[1]
    affine[:3, 1] = column * spacing[0]
    affine[:3, 2] = (slices[-1].origin - first.origin) / (len(slices) - 1)
    affine[:3, 3] = first.origin
    affine[:2] *= -1
    hu = np.stack([one.pixels.T for one in slices], axis=2)
    kinds = ", ".join(sorted(set(skipped)))
    notes = (f"passed over in its folder: {kinds}",) if skipped else ()
    return _Stored(hu, affine, 1.0, 0.0, notes)


@dataclass(frozen=True, slots=True)
class _Slice:
    series: str
    pixels: NDArray[np.int16]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    spacing: tuple[float, float]
    origin: NDArray[np.float64]
    position: float

    @property
    def grid(self) -> tuple[float, ...]:
        return (*self.spacing, *self.row.round(3), *self.column.round(3))


def _slices(folder: Path, skipped: list[str]) -> Iterator[_Slice]:
    """The slices in ``folder``; what isn't one (an index, a dose report, a scout) is named."""
    voxels = 0
    for path in dicom_files(folder):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's warnings quote elements
            try:
                found = _read_slice(path, skipped)
            except InputError:
                raise
            except Exception as error:  # and it raises anything on broken files
                raise InputError(
                    f"{folder}: a slice is corrupt, or its header incomplete "
                    f"({type(error).__name__}); {_CURE}"
                ) from None
        if found is None:
            continue
        voxels += found.pixels.size
        _check_count((voxels,), folder)
        yield found


def _no_slice(dataset: Any) -> str | None:
    """What a file is that lies beside slices and isn't one; None for a slice."""
    if "DirectoryRecordSequence" in dataset:
        return _INDEX
    if "PixelData" not in dataset and "Rows" not in dataset:
        return "a report without a picture"
    if "LOCALIZER" in (dataset.get("ImageType") or ()):
        return "a scout"
    return None


def _read_slice(path: Path, skipped: list[str]) -> _Slice | None:
    from pydicom import dcmread

    content = path.read_bytes()
    dataset = dcmread(path)
    if kind := _no_slice(dataset):
        skipped.append(kind)
        return None
    if dataset.get("Modality") != "CT":
        raise InputError(f"{path.parent}: holds pictures that are not CT")
    if "ImageOrientationPatient" not in dataset or "ImagePositionPatient" not in dataset:
        raise InputError(
            f"{path.parent}: a slice's header has no orientation or position: left and right "
            "can't be told apart; export it again from the archive"
        )
    if "RescaleSlope" not in dataset or "RescaleIntercept" not in dataset:
        raise InputError(f"{path.parent}: no rescale slope: its values are not Hounsfield units")
    directions = np.array([float(x) for x in dataset.ImageOrientationPatient])
    row, column = directions[:3], directions[3:]
    origin = np.array([float(x) for x in dataset.ImagePositionPatient])
    down, across = (float(x) for x in dataset.PixelSpacing)
    try:
        if dataset.file_meta.TransferSyntaxUID in _UNCOMPRESSED:
            pixels = dataset.pixel_array
        else:
            pixels = decode_apart(content, dataset.Rows * dataset.Columns // 10**6 + 1)
    except CodecError as error:
        raise InputError(f"{path.parent}: a slice can't be decoded ({error}); {_CURE}") from None
    if pixels.ndim != 2:
        raise InputError(f"{path.parent}: a slice has several frames or colours")
    scaled = pixels.astype(np.float32) * float(dataset.RescaleSlope)
    scaled += float(dataset.RescaleIntercept)
    if not np.isfinite(scaled).all():
        raise InputError(f"{path.parent}: holds values that are not finite; {_CURE}")
    position = float(np.dot(np.cross(row, column), origin))
    levels = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
    series = str(dataset.get("SeriesInstanceUID", ""))
    return _Slice(series, levels, row, column, (down, across), origin, position)


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files directly in ``folder``, told by their content, by name.

    A copied disc has its index (DICOMDIR) there alone: then those of the folders below it too.
    """
    found = [path for path in sorted(folder.iterdir()) if _is_dicom_file(path)]
    if [path.name for path in found] == [_INDEX]:
        found += [path for path in sorted(folder.glob("*/**/*")) if _is_dicom_file(path)]
    return found


def _is_dicom_file(path: Path) -> bool:
    if path.name.startswith(".") or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _check_count(shape: Sequence[int], path: Path) -> None:
    if not 0 < math.prod(shape) <= MAX_VOXELS:
        raise InputError(f"{path}: {math.prod(shape):,} voxels; at most {MAX_VOXELS:,} are read")


def _check_grid(stored: _Stored, path: Path) -> None:
    if (
        not np.isfinite(stored.affine).all()
        or not np.isfinite([stored.slope, stored.intercept]).all()
    ):
        raise InputError(f"{path}: its header holds values that are not finite; {_CURE}")
    axes = stored.affine[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    low, high = PLAUSIBLE_SPACING
    if not ((low <= spacing) & (spacing <= high)).all():
        shown = " × ".join(f"{side:.3g}" for side in spacing)
        raise InputError(f"{path}: voxels of {shown} mm; a CT has {low} to {high} mm")
    directions = axes / spacing
    if np.abs(directions.T @ directions - np.eye(3)).max() > MAX_SHEAR:
        raise InputError(f"{path}: its axes aren't at right angles (a tilted gantry?); resample it")
    if np.degrees(np.arccos(np.abs(directions).max(axis=0).clip(0, 1))).max() > MAX_OBLIQUE:
        raise InputError(f"{path}: the grid lies more than {MAX_OBLIQUE:.0f}° askew; resample it")
    slices = stored.values.shape[int(np.abs(directions[2]).argmax())]
    if slices < MIN_SLICES:
        raise InputError(f"{path}: {slices} slices; a chest has at least {MIN_SLICES}")
    extent = spacing * stored.values.shape
    low, high = PLAUSIBLE_EXTENT
    if not ((low <= extent) & (extent <= high)).all():
        shown = " × ".join(f"{side:.0f}" for side in extent)
        raise InputError(f"{path}: {shown} mm is not the size of a chest ({low:.0f} to {high:.0f})")


def _canonical(stored: _Stored) -> _Stored:
    """The same voxels with axes to the patient's right, front and head, the nearest way."""
    axes = stored.affine[:3, :3] / np.linalg.norm(stored.affine[:3, :3], axis=0)
    world = [int(axis) for axis in np.abs(axes).argmax(axis=1)]
    if len(set(world)) != 3:
        raise AssertionError("axes within 20 degrees of the patient's point along different ones")
    values = stored.values.transpose(world)
    affine = stored.affine.copy()
    affine[:3, :3] = stored.affine[:3, world]
    for axis in range(3):
        if affine[axis, axis] < 0:
            values = np.flip(values, axis)
            affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
            affine[:3, axis] *= -1
    return _Stored(values, affine, stored.slope, stored.intercept, stored.notes)


def _working(stored: _Stored, voxel: float, path: Path) -> CtVolume:
    """Means of whole blocks of voxels, so that no side is much smaller than ``voxel`` mm."""
    spacing = np.linalg.norm(stored.affine[:3, :3], axis=0)
    block = [max(1, int(voxel / side + 0.5)) for side in spacing]
    shape = [n // k for n, k in zip(stored.values.shape, block, strict=True)]
    # What is left over is cut off on both sides alike: a mirrored grid gives mirrored blocks.
    starts = [(n - m * k) // 2 for n, m, k in zip(stored.values.shape, shape, block, strict=True)]
    hu = np.empty(shape, np.float32)
    values = stored.values[
        tuple(slice(a, a + m * k) for a, m, k in zip(starts, shape, block, strict=True))
    ]
    for z in range(shape[2]):
        slab = values[:, :, z * block[2] : (z + 1) * block[2]].astype(np.float32)
        slab *= np.float32(stored.slope)
        slab += np.float32(stored.intercept)
        if not np.isfinite(slab).all():
            raise InputError(f"{path}: holds NaN or infinite values; {_CURE}")
        np.clip(slab, MIN_HU, MAX_HU, out=slab)
        blocks = slab.reshape(shape[0], block[0], shape[1], block[1], block[2])
        hu[:, :, z] = blocks.mean(axis=(1, 3, 4))
    affine = stored.affine.copy()
    centre = np.asarray(starts) + (np.asarray(block) - 1) / 2
    affine[:3, 3] += affine[:3, :3] @ centre
    affine[:3, :3] *= block
    return CtVolume(hu, affine)


def _check_units(volume: CtVolume, path: Path) -> CtVolume:
    """Air and soft tissue have to be where Hounsfield units put them."""
    hu = volume.hu
    air, soft = (hu < -700).mean(), ((hu > -200) & (hu < 200)).mean()
    if air < 0.02 or soft < 0.02:
        raise InputError(
            f"{path}: its values are not Hounsfield units of a chest "
            f"({100 * air:.0f} % air, {100 * soft:.0f} % soft tissue); the first release of "
            "CT-RATE keeps slope and intercept in its metadata table only: take its fixed release"
        )
    return volume
