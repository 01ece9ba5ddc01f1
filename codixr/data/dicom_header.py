"""What a radiograph's header says of its pixels: depth, polarity, orientation, geometry, padding.

Every field of the CR and DX modules (PS3.3, C.7.6.3, C.7.6.1, C.8.1, C.8.11) that changes what a
stored value or its place means is applied where the standard is clear; the rest is named in a note.

Notable:
- Polarity: MONOCHROME1, a negative rescale slope and Presentation LUT Shape INVERSE. In DX,
  MONOCHROME1 and INVERSE say the same thing (C.8.11.3.1.2), so both together invert once.
- Orientation: Patient Orientation names where rows and columns run. Feet go down; in a frontal
  view the patient's left is on the right. Which way a lateral view looks is left as it is.
- Pixel Padding Value (and its Range Limit) is not film: black.
- Display windows (VOI) aren't applied: the paper scales by Bits Stored.
- Messages hold technical values only, nothing that names a patient.
"""

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from codixr.data.radiograph import MAX_PIXELS, PictureError

TARGET_SPACING = 0.139
"""Millimetres a pixel (paper, section II)."""
PLAUSIBLE_SPACING = (0.05, 1.0)
REEXPORT = "export it again from the archive, or give a PNG"

_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_X_RAYS = ("CR", "DX", "RG", "RF", "XA", "SC", "OT", "")
_COLOUR = ("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "missing")


@dataclass(frozen=True, slots=True)
class Turn:
    """How the stored grid becomes an upright one: first transposed, then flipped."""

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False

    def __bool__(self) -> bool:
        return self.transposed or self.upside_down or self.mirrored


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the header says of the stored values, checked."""

    bits: int
    signed: bool
    inverted: bool
    spacing: tuple[float, float] | None
    """Millimetres between rows and between columns, or None when absent or absurd."""
    aspect: float
    """Height of a pixel by its width, where there is no spacing; else 1."""
    turn: Turn
    padding: tuple[int, int] | None
    """The least and greatest stored value that isn't film."""
    notes: tuple[str, ...]


def read_meaning(dataset: Dataset, path: Path) -> Meaning:
    """The header of a grey single-frame radiograph; PictureError for anything else."""
    _check_kind(dataset, path)
    bits = _bits(dataset, path)
    inverted, contradiction = _polarity(dataset)
    spacing = _spacing(dataset)
    turn = _turn(dataset)
    notes = contradiction
    if turn:
        notes += ("was turned upright, as its Patient Orientation says",)
    return Meaning(
        bits=bits,
        signed=dataset.get("PixelRepresentation", 0) == 1,
        inverted=inverted,
        spacing=spacing,
        aspect=_aspect(dataset) if spacing is None else 1.0,
        turn=turn,
        padding=_padding(dataset),
        notes=notes + _not_applied(dataset, inverted=inverted),
    )


def _check_kind(dataset: Dataset, path: Path) -> None:
    rows, columns = _integer(dataset, "Rows", path), _integer(dataset, "Columns", path)
    if not 0 < rows * columns <= MAX_PIXELS:
        raise PictureError(
            f"{path}: {columns}×{rows} pixels; at most {MAX_PIXELS // 10**6} million are read",
            "too large",
        )
    frames = _integer(dataset, "NumberOfFrames", path, default=1)
    if frames != 1:
        raise PictureError(
            f"{path}: {frames} frames; a radiograph has one: export the one you mean",
            "of several frames",
        )
    photometric = str(dataset.get("PhotometricInterpretation", "missing"))
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or dataset.get("SamplesPerPixel", 1) != 1:
        kind = photometric if photometric in _COLOUR else "unknown"
        raise PictureError(
            f"{path}: a colour DICOM (Photometric Interpretation {kind}); "
            "only MONOCHROME1 and MONOCHROME2 are radiographs"
        )


def _bits(dataset: Dataset, path: Path) -> int:
    allocated = _integer(dataset, "BitsAllocated", path)
    bits = _integer(dataset, "BitsStored", path)
    high_bit = _integer(dataset, "HighBit", path, default=bits - 1)
    if not 1 <= bits <= allocated <= 32 or high_bit != bits - 1:
        raise PictureError(
            f"{path}: Bits Stored {bits} of {allocated} with High Bit {high_bit} "
            f"cannot be read; {REEXPORT}"
        )
    return bits


def _integer(dataset: Dataset, keyword: str, path: Path, default: int | None = None) -> int:
    try:
        value = dataset.get(keyword)
        return default if value is None and default is not None else int(value)
    except (TypeError, ValueError, AttributeError):
        raise PictureError(
            f"{path}: corrupt DICOM ({keyword} is missing or not a number); {REEXPORT}"
        ) from None


def _polarity(dataset: Dataset) -> tuple[bool, tuple[str, ...]]:
    """Whether large values are dark, and a note where fields contradict each other."""
    first = dataset.PhotometricInterpretation == "MONOCHROME1"
    shape = str(dataset.get("PresentationLUTShape", ""))
    dark = first or shape == "INVERSE"
    notes: tuple[str, ...] = ()
    if shape and dark and not (first and shape == "INVERSE"):
        field = "Presentation LUT Shape INVERSE" if not first else "MONOCHROME1"
        notes = (f"its polarity fields disagree: it was inverted, as {field} says",)
    try:
        slope = float(dataset.get("RescaleSlope", 1.0))
    except (TypeError, ValueError):
        slope = 1.0
    return dark != (slope < 0), notes


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    low, high = PLAUSIBLE_SPACING
    for keyword in _SPACINGS:
        try:
            row, column = (float(value) for value in dataset.get(keyword) or ())
        except (TypeError, ValueError):
            continue
        if low <= row <= high and low <= column <= high:
            return row, column
    return None


def _aspect(dataset: Dataset) -> float:
    try:
        down, across = (float(value) for value in dataset.get("PixelAspectRatio") or ())
        ratio = down / across
    except (TypeError, ValueError, ZeroDivisionError):
        return 1.0
    return ratio if 0.1 <= ratio <= 10 else 1.0


def _turn(dataset: Dataset) -> Turn:
    try:
        row, column = (str(value)[:1].upper() for value in dataset.get("PatientOrientation") or ())
    except (TypeError, ValueError):
        return Turn()
    transposed = row in ("F", "H") and column in ("L", "R", "A", "P")
    if transposed:
        row, column = column, row
    if column not in ("F", "H") or row not in ("L", "R", "A", "P"):
        return Turn()
    return Turn(transposed, upside_down=column == "H", mirrored=row == "R")


def _padding(dataset: Dataset) -> tuple[int, int] | None:
    value = dataset.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    other = limit if isinstance(limit, int) else value
    return min(value, other), max(value, other)


def _not_applied(dataset: Dataset, *, inverted: bool) -> tuple[str, ...]:
    """One note that names what the header asks for and nobody can apply for certain."""
    notes: tuple[str, ...] = ()
    modality = str(dataset.get("Modality", "") or "")
    if modality not in _X_RAYS:
        shown = modality if modality.isalnum() and len(modality) <= 4 else "unknown"
        notes = (f"its Modality is {shown}: a picture of another kind than a radiograph",)
    fields = []
    if "ShutterShape" in dataset:
        fields.append("Display Shutter")
    if (0x6000, 0x3000) in dataset:
        fields.append("Overlay")
    if dataset.get("PresentationIntentType") == "FOR PROCESSING":
        fields.append("Presentation Intent Type FOR PROCESSING (raw values, not for display)")
    if dataset.get("PixelIntensityRelationshipSign") == 1 and not inverted:
        fields.append("Pixel Intensity Relationship Sign 1 (dense tissue is stored darker)")
    if fields:
        notes += (f"not applied: {', '.join(fields)}",)
    return notes
