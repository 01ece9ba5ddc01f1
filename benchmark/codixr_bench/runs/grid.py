"""``grid.png``: a few studies as a person looks at them: given, generated, real, side by side.

Pictures of a study stand in a row, the text of its reports under them; the studies stand in as many
columns as make the whole about as wide as tall. Nothing is drawn unless the caller says that
content may be shown: it holds pictures of real patients.
"""

import importlib.util
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from codixr.atomic import write_atomically
from codixr.data.study import Study
from codixr.modality import Modality
from codixr_bench.model import Content, Sample
from codixr_bench.task import Task

ROWS = 8
SIDE = 232
"""Pixels of a picture's side."""
TEXT_WIDTH = 320
"""Pixels of a column that holds text alone."""
MARGIN, GAP, GROUP_GAP, ROW_GAP = 28, 10, 34, 26

PAPER, INK, FAINT, RULE = "#ffffff", "#1b1f24", "#6b7480", "#d9dee4"
TINTS = {"given": "#3f6f9f", "generated": "#b4541a", "real": "#3b7a4b"}
WORDS = {Modality.F: "frontal", Modality.L: "lateral", Modality.T: "report"}
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class _Group:
    """One of given, generated, real: what it shows of a study, and where."""

    name: str
    modalities: tuple[Modality, ...]
    left: int

    @property
    def views(self) -> tuple[Modality, ...]:
        return tuple(m for m in self.modalities if m.is_image)

    @property
    def width(self) -> int:
        count = len(self.views)
        return count * SIDE + (count - 1) * GAP if count else TEXT_WIDTH


def save_grid(
    path: Path,
    task: Task,
    positions: Sequence[int],
    studies: Sequence[Study],
    samples: Sequence[Sample],
    *,
    show_content: bool,
    title: str = "",
    caption: str = "",
    rows: int = ROWS,
) -> bool:
    """Draw the first ``rows`` studies and write ``path``, whole or not at all.

    Args:
        path: of the PNG; the same content gives the same bytes.
        task: which modalities were given and made.
        positions: of the studies in the split, for the labels of the rows.
        studies: the evaluated studies.
        samples: what was made for them, in the same order.
        show_content: False draws nothing, writes nothing, and returns False.
        title: one line above, e.g. ``L+T->F · codixr · phantom test``.
        caption: below it, e.g. ``64 studies, 8 shown · seed 0 · simulated``.
        rows: at most this many.

    Raises InputError when the file cannot be written.
    """
    if not show_content or not studies:
        return False
    picture = draw_grid(task, positions[:rows], studies[:rows], samples[:rows], title, caption)
    encoded = io.BytesIO()
    picture.save(encoded, format="PNG")
    write_atomically(path, encoded.getvalue())
    return True


def draw_grid(
    task: Task,
    positions: Sequence[int],
    studies: Sequence[Study],
    samples: Sequence[Sample],
    title: str = "",
    caption: str = "",
) -> PILImage.Image:
    """The grid as an RGB picture; arguments as ``save_grid``'s."""
    groups = _layout(task)
    width = groups[-1].left + groups[-1].width + MARGIN
    bands = [
        _draw_study(groups, width, position, _contents(task, study, sample), _findings(study))
        for position, study, sample in zip(positions, studies, samples, strict=True)
    ]
    head = _draw_head(groups, width)
    columns = _columns(width, 2 * head.height, [band.height for band in bands])
    above = _draw_title(title, caption, columns * width)
    rows = [bands[first : first + columns] for first in range(0, len(bands), columns)]
    heights = [above.height, head.height, *(max(band.height for band in row) for row in rows)]
    picture = PILImage.new("RGB", (columns * width, sum(heights)), PAPER)
    picture.paste(above, (0, 0))
    top = above.height
    for row, height in zip([[head] * columns, *rows], heights[1:], strict=True):
        for column, band in enumerate(row):
            picture.paste(band, (column * width, top))
        top += height
    return picture


def _columns(width: int, above: int, heights: Sequence[int]) -> int:
    """In how many columns the whole is nearest to a square: rows are as high as their highest."""

    def unlike(columns: int) -> float:
        rows = [heights[i : i + columns] for i in range(0, len(heights), columns)]
        return abs(math.log(columns * width / (above + sum(map(max, rows)))))

    return min(range(1, len(heights) + 1), key=unlike)


def _layout(task: Task) -> list[_Group]:
    groups: list[_Group] = []
    left = MARGIN
    shown = {"given": task.inputs, "generated": task.outputs, "real": task.outputs}
    for name, modalities in shown.items():
        group = _Group(name, modalities, left)
        groups.append(group)
        left += group.width + GROUP_GAP
    return groups


def _contents(task: Task, study: Study, sample: Sample) -> dict[str, Mapping[Modality, Content]]:
    def own(modalities: Iterable[Modality]) -> dict[Modality, Content]:
        found = {modality: study.get(modality) for modality in modalities}
        return {m: content for m, content in found.items() if content is not None}

    return {"given": own(task.inputs), "generated": sample, "real": own(task.outputs)}


def _findings(study: Study) -> str:
    present = [name for name, label in study.labels.items() if label == 1]
    return ", ".join(name for name in present if name != "No Finding")


def _draw_title(title: str, caption: str, width: int) -> PILImage.Image:
    small, leading = _font(14), 19
    lines = _wrap(caption, small, width - 2 * MARGIN) if caption else []
    height = MARGIN + (32 if title else 0) + leading * len(lines) + 14
    band = PILImage.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(band)
    pen.text((MARGIN, MARGIN - 4), title, INK, _font(20, bold=True))
    for number, line in enumerate(lines):
        top = height - 14 - leading * (len(lines) - number)
        pen.text((MARGIN, top), line, FAINT, small)
    return band


def _draw_head(groups: Sequence[_Group], width: int) -> PILImage.Image:
    band = PILImage.new("RGB", (width, 54), PAPER)
    pen = ImageDraw.Draw(band)
    top = 0
    for group in groups:
        tint = TINTS[group.name]
        pen.text((group.left, top), group.name.upper(), tint, _font(15, bold=True))
        pen.rectangle((group.left, top + 23, group.left + group.width - 1, top + 25), tint)
        for number, modality in enumerate(group.views or (Modality.T,)):
            x = group.left + number * (SIDE + GAP)
            pen.text((x, top + 31), WORDS[modality], FAINT, _font(13))
    return band


def _draw_study(
    groups: Sequence[_Group],
    width: int,
    position: int,
    contents: Mapping[str, Mapping[Modality, Content]],
    findings: str,
) -> PILImage.Image:
    """One row: pictures, reports under them, then the study's position and findings of truth."""
    font = _font(14)
    leading = 19
    texts = {}
    for group in groups:
        text = contents[group.name].get(Modality.T)
        if isinstance(text, str):
            texts[group.name] = _wrap(text.strip() or "(an empty report)", font, group.width - 12)
    pictures = SIDE if any(group.views for group in groups) else 0
    ends = [pictures]
    for group in groups:
        if group.name in texts:
            above = SIDE + GAP if group.views else 0
            ends.append(above + leading * len(texts[group.name]))
    foot = max(ends) + 8
    caption = f"study {position}" + (f"  ·  truth: {findings}" if findings else "")
    captions = _wrap(caption, _font(13), width - 2 * MARGIN)
    height = foot + 18 * len(captions) + ROW_GAP
    band = PILImage.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(band)
    for group in groups:
        for number, view in enumerate(group.views):
            place = (group.left + number * (SIDE + GAP), 0)
            content = contents[group.name].get(view)
            if content is None or isinstance(content, str):
                pen.rectangle((*place, place[0] + SIDE - 1, SIDE - 1), outline=RULE)
                pen.text((place[0] + 10, 10), f"no {WORDS[view]} picture", FAINT, font)
            else:
                band.paste(_picture(content), place)
        lines = texts.get(group.name, [])
        top = SIDE + GAP if group.views else 0
        if lines:
            bottom = top + leading * len(lines)
            pen.rectangle((group.left, top + 2, group.left + 2, bottom), TINTS[group.name])
        for number, line in enumerate(lines):
            pen.text((group.left + 12, top + leading * number), line, INK, font)
    for number, line in enumerate(captions):
        pen.text((MARGIN, foot + 18 * number), line, FAINT, _font(13))
    pen.line((MARGIN, height - ROW_GAP // 2, width - MARGIN, height - ROW_GAP // 2), RULE)
    return band


def _picture(image: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> PILImage.Image:
    """float32 [1, H, W] in [0, 1] -> RGB, its longer side SIDE, centred on black."""
    levels = (np.nan_to_num(image[0]).clip(0.0, 1.0) * 255.0).round().astype(np.uint8)
    picture = PILImage.fromarray(levels)
    scale = SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, PILImage.Resampling.BICUBIC)
    framed = PILImage.new("RGB", (SIDE, SIDE), "black")
    framed.paste(picture.convert("RGB"), ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return framed


def _wrap(text: str, font: Font, width: int) -> list[str]:
    """Lines that fit in ``width`` pixels; a word that is too long alone is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        while font.getlength(word) > width and len(word) > 1:
            fits = next(
                n
                for n in range(len(word) - 1, 0, -1)
                if n == 1 or font.getlength(word[:n]) <= width
            )
            lines += [line, word[:fits]] if line else [word[:fits]]
            line, word = "", word[fits:]
        longer = f"{line} {word}" if line else word
        if line and font.getlength(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line] if line else lines or [""]


@lru_cache(maxsize=8)
def _font(size: int, *, bold: bool = False) -> Font:
    """DejaVu Sans, which matplotlib brings along; Pillow's own where it is missing."""
    found = importlib.util.find_spec("matplotlib")
    if found is not None and found.origin is not None:
        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        path = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
