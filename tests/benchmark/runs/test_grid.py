import dataclasses

import numpy as np
import pytest
from PIL import Image as PILImage

from codixr.modality import Modality
from codixr_bench.runs.grid import SIDE, draw_grid, save_grid
from codixr_bench.task import GROUPS, Task
from helpers.metric_fakes import studies_and_samples

STUDIES, SAMPLES = studies_and_samples(3)
STUDIES = [dataclasses.replace(study, lateral=study.frontal) for study in STUDIES]
SAMPLES = [{**sample, Modality.L: sample[Modality.F]} for sample in SAMPLES]


def grid(task, studies=STUDIES, samples=SAMPLES, title="a title"):
    return draw_grid(Task.parse(task), range(len(studies)), studies, samples, title)


def patches(picture, level):
    """How many SIDE x SIDE squares are filled with one grey level."""
    pixels = np.asarray(picture.convert("L"))
    return int((pixels == level).sum()) // SIDE**2


@pytest.mark.parametrize("task", [task.name for task in GROUPS["all"]])
def test_every_task_is_drawn(task):
    picture = grid(task)
    assert picture.mode == "RGB"
    assert picture.width > 600
    assert len(np.unique(np.asarray(picture))) > 20


@pytest.mark.parametrize("task", [task.name for task in GROUPS["all"]])
def test_a_grid_of_eight_is_about_as_wide_as_tall(task):
    parsed = Task.parse(task)
    studies, samples = ([*(one * 3)[:8]] for one in (STUDIES, SAMPLES))
    picture = draw_grid(parsed, range(8), studies, samples, "a title", "a caption")
    assert 1 / 2 < picture.width / picture.height < 2, picture.size


def test_studies_stand_in_the_order_of_reading_each_once():
    grey = [20, 60, 100, 140, 180, 220]
    studies = [
        dataclasses.replace(STUDIES[0], frontal=np.full((1, 8, 8), level / 255, np.float32))
        for level in grey
    ]
    sample = {Modality.L: np.zeros((1, 8, 8), np.float32)}
    picture = grid("F->L", studies, [sample] * 6)
    pixels = np.asarray(picture.convert("L"))
    assert [patches(picture, level) for level in grey] == [1] * 6
    # Letters have greys too: the middle of a level's pixels is its picture's, to a few pixels.
    middles = [np.median(np.argwhere(pixels == level), axis=0) // 20 for level in grey]
    tops, lefts = zip(*map(tuple, middles), strict=True)
    rows, columns = sorted(set(tops)), sorted(set(lefts))
    assert len(rows) * len(columns) == 6
    places = [(row, column) for row in rows for column in columns]
    assert list(zip(tops, lefts, strict=True)) == places


def test_a_caption_stands_below_the_title():
    bare, told = (
        grid("F->L"),
        draw_grid(Task.parse("F->L"), range(3), STUDIES, SAMPLES, "a title", "seed 0 · simulated"),
    )
    assert told.height == bare.height + 19
    assert told.width == bare.width


def test_given_generated_and_real_pictures_are_all_there():
    study = dataclasses.replace(
        STUDIES[0],
        frontal=np.full((1, 8, 8), 60 / 255, np.float32),
        lateral=np.full((1, 8, 8), 120 / 255, np.float32),
    )
    sample = {Modality.F: np.full((1, 8, 8), 180 / 255, np.float32)}
    picture = grid("L->F", [study], [sample])
    assert [patches(picture, level) for level in (60, 120, 180)] == [1, 1, 1]


def test_content_that_may_not_be_shown_is_neither_drawn_nor_written(tmp_path):
    path = tmp_path / "grid.png"
    task = Task.parse("L+T->F")
    assert not save_grid(path, task, range(3), STUDIES, SAMPLES, show_content=False)
    assert list(tmp_path.iterdir()) == []


def test_the_same_content_gives_the_same_bytes(tmp_path):
    task = Task.parse("L->F+T")
    written = []
    for name in ("a.png", "b.png"):
        path = tmp_path / name
        assert save_grid(path, task, range(3), STUDIES, SAMPLES, show_content=True, rows=2)
        written.append(path.read_bytes())
    assert written[0] == written[1]
    two, three = PILImage.open(tmp_path / "a.png"), grid("L->F+T")
    assert two.width * two.height < three.width * three.height


def test_a_longer_report_makes_a_taller_row_and_nothing_leaves_the_page():
    long = [{Modality.T: "word " * 300}, {Modality.T: "x" * 500}, {Modality.T: ""}]
    tall = grid("F->T", samples=long)
    assert tall.width * tall.height > grid("F->T").width * grid("F->T").height
    margin = np.asarray(tall)[:, -20:]
    assert (margin == 255).all()


def test_oblong_and_broken_pictures_are_drawn_too():
    study = dataclasses.replace(STUDIES[0], frontal=np.full((1, 300, 100), np.nan, np.float32))
    grid("F->L", [study], SAMPLES[:1])
    missing = dataclasses.replace(STUDIES[0], lateral=None)
    grid("L->F", [missing], SAMPLES[:1])
