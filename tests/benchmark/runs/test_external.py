from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codixr.data.picture import read_pixels
from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.runs.external import ExternalSamples
from codixr_bench.task import Task

N = 4
SIDE = 8
TASK = Task.parse("L->F+T")


def grey(seed: int, side: int = SIDE) -> Image.Image:
    levels = np.random.default_rng(seed).integers(1, 256, size=(side, side), dtype=np.uint8)
    return Image.fromarray(levels)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole and correct folder of four samples."""
    (tmp_path / "F").mkdir()
    for position in range(N):
        grey(position).save(tmp_path / "F" / f"{position:05d}.png")
    rows = "\n".join(f'{p},"no effusion, study {p}"' for p in range(N))
    (tmp_path / "reports.csv").write_text(f"position,report\n{rows}\n")
    return tmp_path


def opened(folder: Path, task: Task = TASK) -> ExternalSamples:
    return ExternalSamples(folder, task, N, SIDE)


def test_a_whole_folder_is_read_by_position(folder: Path) -> None:
    ((positions, batch),) = opened(folder).batches()
    assert positions == range(N)
    assert batch[2][Modality.T] == "no effusion, study 2"
    expected = np.asarray(grey(2), dtype=np.float32)[None] / np.float32(255)
    assert (batch[2][Modality.F] == expected).all()


def test_the_flat_layout_holds_both_views(tmp_path: Path) -> None:
    for position in range(N):
        grey(position).save(tmp_path / f"{position}_F.png")
        grey(position + 10).save(tmp_path / f"{position}_L.png")
    ((_, batch),) = opened(tmp_path, Task.parse("T->F+L")).batches()
    assert not (batch[1][Modality.F] == batch[1][Modality.L]).all()


def test_an_empty_report_is_a_report(folder: Path) -> None:
    (folder / "reports.csv").write_text("position,report\n0,\n1,a\n2,b\n3,c\n")
    ((_, batch),) = opened(folder).batches()
    assert batch[0][Modality.T] == ""


def _truncate(folder: Path) -> None:
    path = folder / "F" / "00002.png"
    path.write_bytes(path.read_bytes()[:40])


def _float_with_nan(folder: Path) -> None:
    (folder / "F" / "00001.png").unlink()
    levels = np.full((SIDE, SIDE), 0.5, dtype=np.float32)
    levels[0, 0] = np.nan
    Image.fromarray(levels).save(folder / "F" / "00001.tiff")


def _npy_with_infinity(folder: Path) -> None:
    (folder / "F" / "00001.png").unlink()
    np.save(folder / "F" / "00001.npy", np.full((1, SIDE, SIDE), np.inf))


def _npy_out_of_range(folder: Path) -> None:
    (folder / "F" / "00001.png").unlink()
    np.save(folder / "F" / "00001.npy", np.full((SIDE, SIDE), 255.0))


def _npy_of_objects(folder: Path) -> None:
    (folder / "F" / "00001.png").unlink()
    np.save(folder / "F" / "00001.npy", np.array([{"a": 1}], dtype=object))


def _black(folder: Path) -> None:
    for position in (0, 3):
        Image.new("L", (SIDE, SIDE)).save(folder / "F" / f"{position:05d}.png")


def _broken_link(folder: Path) -> None:
    (folder / "F" / "00003.png").unlink()
    (folder / "F" / "00003.png").symlink_to("gone.png")


def _moving(folder: Path) -> None:
    grey(3).save(folder / "F" / "00003.png", save_all=True, append_images=[grey(4)])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda f: (f / "F" / "00001.png").unlink(), r"1 missing F \(position 1\)"),
    "extra": (lambda f: grey(9).save(f / "F" / "00009.png"), r"1 extra F \(position 9\)"),
    "twice": (lambda f: grey(9).save(f / "F" / "1.png"), r"1 extra F \(position 1\)"),
    "unnamed": (lambda f: grey(9).save(f / "F" / "p10032.x.png"), "1 F whose names hold no pos"),
    "corrupt": (_truncate, r"1 corrupt F \(position 2\)"),
    "not a picture": (lambda f: (f / "F/00002.png").write_text("hi"), r"1 corrupt F \(position 2"),
    "wrong-sized": (
        lambda f: grey(1, 9).save(f / "F" / "00001.png"),
        r"1 wrong-sized \(not 8×8;",
    ),
    "black": (_black, r"2 all-black F \(positions 0, 3\)"),
    "nan": (_float_with_nan, r"1 NaN or infinite F \(position 1\)"),
    "infinite": (_npy_with_infinity, r"1 NaN or infinite F \(position 1\)"),
    "range": (_npy_out_of_range, r"1 out of range .* F \(position 1\)"),
    "pickle": (_npy_of_objects, r"1 corrupt F \(position 1\)"),
    "link": (_broken_link, r"1 broken-link F \(position 3\)"),
    "frames": (_moving, r"1 of several frames F \(position 3\)"),
    "no report": (
        lambda f: (f / "reports.csv").write_text("position,report\n0,a\n3,b\n"),
        r"2 missing T \(positions 1, 2\)",
    ),
    "report twice": (
        lambda f: (f / "reports.csv").write_text("position,report\n0,a\n1,b\n2,c\n3,d\n3,e\n"),
        r"1 extra T \(position 3\)",
    ),
    "short row": (
        lambda f: (f / "reports.csv").write_text("position,report\n0,a\n1,b\n2\n3,d\n"),
        r"1 corrupt T \(position 2\)",
    ),
    "no number": (
        lambda f: (f / "reports.csv").write_text("position,report\n0,a\n1,b\n2,c\n3,d\nx,e\n"),
        "1 T whose position is not a number",
    ),
    "no column": (lambda f: (f / "reports.csv").write_text("id,text\n0,a\n"), "lacks the columns"),
    "not text": (lambda f: (f / "reports.csv").write_bytes(b"position,report\n0,\xff"), "UTF-8"),
    "no file": (lambda f: (f / "reports.csv").unlink(), r"reports\.csv' is missing"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_wrong_is_counted_and_named_by_position(folder: Path, kind: str) -> None:
    damage, expected = BAD[kind]
    damage(folder)
    with pytest.raises(InputError, match=expected) as caught:
        opened(folder)
    assert "\n" not in str(caught.value)


def test_all_kinds_are_told_at_once_and_long_lists_are_cut(folder: Path) -> None:
    _black(folder)
    _truncate(folder)
    with pytest.raises(InputError, match=r"all-black F .*corrupt F"):
        opened(folder)
    with pytest.raises(InputError, match=r"96 missing F \(positions 4, 5, 6, 7, 8, …\)"):
        ExternalSamples(folder, Task.parse("L->F"), 100, SIDE)


def test_a_folder_that_is_none_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        opened(tmp_path / "nowhere")


def test_pictures_in_colours_are_read_by_their_luminance_and_counted(folder: Path) -> None:
    Image.new("RGB", (SIDE, SIDE), (200, 10, 10)).save(folder / "F" / "00003.png")
    samples = opened(folder)
    assert samples.notes == {"is in colours: its luminance is taken": 1}


def test_other_sizes_are_resized_when_asked(folder: Path) -> None:
    grey(1, 16).save(folder / "F" / "00001.png")
    with pytest.raises(InputError, match="--resize"):
        opened(folder)
    ((_, batch),) = ExternalSamples(folder, TASK, N, SIDE, resize=True).batches()
    assert batch[1][Modality.F].shape == (1, SIDE, SIDE)
    expected = np.asarray(grey(2), dtype=np.float32)[None] / np.float32(255)
    assert (batch[2][Modality.F] == expected).all()  # the right size stays as it is


def test_a_csv_names_pictures_that_have_other_names(folder: Path, tmp_path: Path) -> None:
    for position in range(N):
        (folder / "F" / f"{position:05d}.png").rename(folder / f"scan-{position}.png")
    table = tmp_path / "names.csv"
    lines = [f"{position},scan-{position}.png" for position in range(N)]
    table.write_text("\n".join(["position,F", *lines]))
    ((_, batch),) = ExternalSamples(folder, TASK, N, SIDE, names=table).batches()
    assert (batch[2][Modality.F] == np.asarray(grey(2), np.float32) / np.float32(255)).all()
    table.write_text("\n".join(["position,F", *lines[1:]]))
    with pytest.raises(InputError, match=r"1 missing F \(position 0\)"):
        ExternalSamples(folder, TASK, N, SIDE, names=table)
    table.write_text("position,name\n")
    with pytest.raises(InputError, match="lacks the columns F,position"):
        ExternalSamples(folder, TASK, N, SIDE, names=table)


def test_16_bit_palette_and_gray_rgb_pictures_are_read_as_gray(tmp_path: Path) -> None:
    levels = np.array([[0, 65535], [257, 514]], dtype=np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    assert (read_pixels(tmp_path / "a.png").pixels == levels.astype(np.float32) / 65535).all()
    eight = np.array([[0, 255], [1, 2]], dtype=np.uint8)
    for mode in ("RGB", "P", "LA"):
        Image.fromarray(eight).convert(mode).save(tmp_path / "b.png")
        assert (read_pixels(tmp_path / "b.png").pixels == eight.astype(np.float32) / 255).all(), (
            mode
        )
