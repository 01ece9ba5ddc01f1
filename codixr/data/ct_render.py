"""A chest CT → the frontal and the lateral X-ray of the same body, by nanodrr's ray marching.

The geometry of a chest stand: the tube 180 cm from the detector, the body against the detector.
Frontal (PA): the rays come from behind; lateral (left): they come from the right. Pictures are seen
as films are shown: the patient's left on the right side of F, the front on the left side of L.

Notable:
- The body is the largest piece of what is denser than −300 HU once thin bridges are cut, with the
  air inside of it; table, blanket and air around it become air.
- The field is collimated to the lungs and a margin, as a radiographer does it, and is the same for
  both views: what stands at a height in F stands at it in L. Rays that leave the scan through its
  first or last slice are black: they miss a part of the body.
- Shown as -log(I) in a window between the film's own quantiles, as displays do; no noise.
- One thread, strips of a few rows: the same numbers on every machine, bounded memory.

- DRR-RATE cuts all that is under −100 HU, which is fat and half-filled lung too: tried on a real
  CT, it tears the body's outline and hides what is between air and water. Here nothing is cut
  inside of the body.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from codixr.data.ct_volume import CtVolume
from codixr.data.study import Image
from codixr.errors import InputError

SOURCE_DISTANCE = 1800.0
"""Millimetres from the focal spot to the detector."""
GAP = 25.0
"""Millimetres from the body to the detector."""
WHOLE = 0.92
"""Of the scan's height: as much as rays see that don't leave it through its first or last slice."""
MARGIN = 30.0
"""Millimetres around the lungs."""
FIELD = 320.0
"""Millimetres: a usual field, for the choice of a working voxel."""
BODY_HU = -300.0
LUNG_HU = -400.0
WINDOW = (0.02, 0.98)
"""Quantiles of the line integrals of the film that are shown black and white."""
GAMMA = 0.8
MIN_LUNGS = 0.8e6
"""Cubic millimetres of air inside the body."""

_INSTALL = "rendering CT needs nanodrr and nibabel: pip install 'codixr[ct]'"
_STRIP = 8192
"""Rays at once: 8192 × 300 samples × 3 coordinates are 30 MB."""


@dataclass(frozen=True, slots=True)
class Body:
    """``hu`` float32 [R, A, S] with air around the body; ``lungs`` and ``box`` in voxels."""

    hu: NDArray[np.float32]
    box: tuple[slice, slice, slice]
    lungs: tuple[slice, slice, slice]


def working_voxel(size: int) -> float:
    """Millimetres: a little finer than a pixel of a ``size`` picture, not under 0.7."""
    return max(0.7, 0.9 * FIELD / size)


def cut_out(volume: CtVolume) -> Body:
    """The body without table and air; InputError when there is none, or no lungs in it."""
    spacing = np.asarray(volume.spacing)
    dense = volume.hu > BODY_HU
    reach = [max(1, round(4.0 / side)) for side in spacing[:2]]
    thin = np.zeros((2 * reach[0] + 1, 2 * reach[1] + 1, 1), bool)
    thin[reach[0], :] = thin[:, reach[1]] = True  # a cross within the slice: tables are thin there
    core = _largest(ndimage.binary_erosion(dense, thin))
    body = ndimage.binary_dilation(core, thin, mask=dense, iterations=2)
    for z in range(body.shape[2]):
        body[:, :, z] = ndimage.binary_fill_holes(body[:, :, z])
    pieces, n = ndimage.label(ndimage.binary_erosion(body & (volume.hu < LUNG_HU)))
    counts = np.bincount(pieces.ravel(), minlength=n + 1)
    counts[0] = 0
    # One lung or two, that hang together by the trachea or not; gas in the bowel is smaller.
    lungs = (counts > counts.max() / 4)[pieces] if n else np.zeros_like(body)
    if lungs.sum() * float(spacing.prod()) < MIN_LUNGS:
        raise InputError("no lungs in it: not a CT of the chest, or not in Hounsfield units")
    hu = np.where(body, volume.hu, np.float32(-1000))
    return Body(hu, _box(body), _box(lungs))


def render_views(volume: CtVolume, size: int) -> tuple[Image, Image]:
    """The frontal and the lateral view, float32 [1, size, size] in [0, 1], bone bright.

    InputError: nanodrr is not installed; no body or no lungs in the volume.
    """
    body = cut_out(volume)
    spacing = np.asarray(volume.spacing)
    extent = [(s.stop - s.start) * side for s, side in zip(body.lungs, spacing, strict=True)]
    height = min(extent[2] + 2 * MARGIN, WHOLE * body.hu.shape[2] * float(spacing[2]))
    side = max(extent[0] + 2 * MARGIN, extent[1] + 2 * MARGIN, height)
    middle = [(s.start + s.stop - 1) / 2 for s in body.lungs]
    # Down or up to where the scan begins or ends, rather than a black border.
    reach = side / 2 / WHOLE / float(spacing[2])
    last = body.hu.shape[2] - 1
    middle[2] = float(np.clip(middle[2], reach, last - reach)) if 2 * reach < last else last / 2
    paths = project(body, volume.affine, middle, side, size)
    return _show(paths[0]), _show(paths[1])


def project(
    body: Body, affine: NDArray[np.float64], middle: list[float], side: float, size: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Line integrals of attenuation, frontal and lateral, float32 [size, size], no unit.

    ``middle``: the voxel at the middle of both pictures; ``side``: millimetres around it that are
    seen. Rays that miss the scan's first or last slice have none: 0.
    """
    subject = _subject(body, affine)
    centre = affine[:3, :3] @ np.asarray(middle) + affine[:3, 3]
    corners = np.array([[s.start - 0.5, s.stop - 0.5] for s in body.box])
    low, high = (affine[:3, :3].diagonal() * corners.T + affine[:3, 3]) - centre
    scan = np.array([-0.5, body.hu.shape[2] - 0.5]) * affine[2, 2] + affine[2, 3] - centre[2]
    frontal = _view(subject, centre, _PA, float(high[1]), scan, side, size)
    lateral = _view(subject, centre, _LEFT_LATERAL, float(-low[0]), scan, side, size)
    return frontal, lateral


_PA = np.array([[-1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float64)
"""Columns: the picture's right, its down, the rays' way, in right, front, head."""
_LEFT_LATERAL = np.array([[0, 0, -1], [-1, 0, 0], [0, -1, 0]], np.float64)


def _subject(body: Body, affine: NDArray[np.float64]) -> Any:
    try:
        import torch
        from nanodrr.data import Subject
        from torchio import ScalarImage
    except ImportError:
        raise InputError(_INSTALL) from None
    box = body.box
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ [s.start for s in box]
    hu = torch.from_numpy(np.ascontiguousarray(body.hu[box]))
    image = ScalarImage(tensor=hu[None], affine=moved)  # type: ignore[no-untyped-call]
    return Subject.from_images(image, max_label=0)


def _view(
    subject: Any,
    centre: NDArray[np.float64],
    axes: NDArray[np.float64],
    exit_depth: float,
    scan: NDArray[np.float64],
    side: float,
    size: int,
) -> NDArray[np.float32]:
    """One view; ``exit_depth``: millimetres from ``centre`` to where the rays leave the body."""
    import torch
    from nanodrr.drr import DRR, render

    to_centre = SOURCE_DISTANCE - GAP - exit_depth
    pixel = side / size * SOURCE_DISTANCE / to_centre
    pose = np.eye(4)
    pose[:3, :3] = axes
    pose[:3, 3] = centre - axes[:, 2] * to_centre
    pose_t = torch.from_numpy(pose[None]).float()
    extent = np.asarray(subject.image.shape[:1:-1]) * subject.voxel_to_world.diagonal()[:3].numpy()
    finest = float(subject.voxel_to_world.diagonal()[:2].abs().min())
    samples = int(np.abs(extent @ axes[:, 2]) / finest) + 1
    heights = (size / 2 - 0.5 - np.arange(size)) * pixel
    at_exit = heights * (SOURCE_DISTANCE - GAP) / SOURCE_DISTANCE
    whole = np.flatnonzero((at_exit > scan[0]) & (at_exit < scan[1]))
    picture = np.zeros((size, size), np.float32)
    rows = max(1, _STRIP // size)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            drr = DRR.from_carm_intrinsics(
                SOURCE_DISTANCE, pixel, pixel, 0.0, 0.0, size, size, dtype=torch.float32
            )
            for top in range(int(whole[0]), int(whole[-1]) + 1, rows):
                bottom = min(top + rows, int(whole[-1]) + 1)
                rays = drr.tgt[:, top * size : bottom * size]
                strip = render(
                    subject, drr.k_inv, pose_t, drr.sdd, bottom - top, size, samples,
                    src=drr.src, tgt=rays, backend="torch",
                )  # fmt: skip
                picture[top:bottom] = strip[0, 0].numpy()
    finally:
        torch.set_num_threads(threads)
    return picture


def _show(path: NDArray[np.float32]) -> Image:
    """Beer and Lambert's I = exp(-path), shown as -log(I) in a window of its own quantiles."""
    inside = path[path > 0.05]
    if not inside.size:
        raise InputError("no body in the field: not a CT of the chest")
    low, high = np.quantile(inside, WINDOW)
    shown = np.clip((path - low) / max(float(high - low), 1e-3), 0, 1) ** GAMMA
    image: Image = shown[None].astype(np.float32)
    return image


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pieces, n = ndimage.label(mask)
    if n == 0:
        raise InputError("no body in it: nothing is denser than -300 HU")
    counts = np.bincount(pieces.ravel())
    counts[0] = 0
    largest: NDArray[np.bool_] = pieces == counts.argmax()
    return largest


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    x, y, z = ndimage.find_objects(mask.astype(np.uint8))[0]
    return x, y, z
