"""Does a picture show what its prompt asks for, and nothing else? Prints a table, prompt by prompt.

    python tests/perf/prompts.py FILE.csv [--samples 16] [--reports] [--sheet PNG]

FILE has the columns prompt, asked (an observation, several with "+", empty for a normal chest) and
side (left, right or empty; of findings on several sides one each, "right+left"). Each prompt makes
--samples pairs, sample k with the seed k; the shipped judges read every picture at their own
thresholds. Unasked is a finding that is neither asked nor implied by CheXpert's hierarchy (a
pneumonia is a consolidation and an opacity). The side is what the second judge answers for each
asked finding: right, left or both (of real pictures it is right in .98). A prompt that the model
refuses shows nothing of what it asks. --reports has the model write a report of each frontal view
too, and reads each finding's side. --sheet draws the first pair of each prompt.
"""

import argparse
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from prompt_rows import Asked, read
from torch import Tensor

from codixr import CoDiXRPipeline
from codixr.data.labels import PATHOLOGIES
from codixr.data.phantom.attributes import ATTRIBUTES
from codixr.data.phantom.grammar import KEYWORDS
from codixr.data.phantom.judge import CLASSES, load_judge
from codixr.data.phantom.second_judge import ANSWERS, QUESTIONS, load_second_judge
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.familiarity import refuse_unknown

VIEWS = (Modality.F, Modality.L)
PARENTS = {
    "Pneumonia": ("Consolidation", "Lung Opacity"),
    "Consolidation": ("Lung Opacity",),
    "Edema": ("Lung Opacity",),
    "Atelectasis": ("Lung Opacity",),
    "Lung Lesion": ("Lung Opacity",),
    "Cardiomegaly": ("Enlarged Cardiomediastinum",),
}
"""CheXpert's hierarchy: what a finding is one of."""
FINDINGS = [CLASSES.index(name) for name in PATHOLOGIES]


@dataclass(frozen=True)
class Answer:
    """What the pictures of one prompt show, as shares of all pictures of both views."""

    asked: float
    """With every asked finding; NaN where none is asked."""
    unasked: float
    """With any finding that is neither asked nor implied."""
    side: float
    """Of the frontal views, every finding on its asked side; NaN without a side."""
    report_side: float
    """Of the reports of these, that name each finding, and its asked side alone; NaN of none."""
    report_names: float
    """Of the reports, that name each finding, on whichever side."""
    others: dict[str, float]
    """Each unasked finding that any picture shows."""
    pair: Tensor
    """F beside L of seed 0, [S, 2 S] in [0, 1]."""

    @property
    def good(self) -> bool:
        """Asked in 9 of 10 pictures, unasked in 1 of 10 at the most."""
        return not self.asked < 0.9 and self.unasked <= 0.1


@torch.no_grad()
def shown(pictures: Tensor, view: Modality) -> Tensor:
    """Which of the judges' classes each picture [N, 1, S, S] shows: bool [N, k]."""
    judge = load_judge(view)
    limits = torch.tensor([judge.thresholds[name] for name in CLASSES])
    return torch.sigmoid(judge.model(pictures.float())) >= limits


def answer(pipe: CoDiXRPipeline, row: Asked, count: int, *, reports: bool) -> Answer:
    """``count`` pairs of one prompt, read."""
    made = pipe(
        {"T": row.prompt}, "F+L", num_images=count, seed=0, output_type="pt", batch_size=count
    ).images
    seen = torch.cat([shown(made[view], view) for view in VIEWS])
    asked = [CLASSES.index(name) for name in row.findings]
    implied = {CLASSES.index(p) for name in row.findings for p in PARENTS.get(name, ())}
    rest = [i for i in FINDINGS if i not in {*asked, *implied}]
    shares = {CLASSES[i]: float(seen[:, i].float().mean()) for i in rest}
    nan = float("nan")
    written, named = nan, nan
    if reports and row.side:
        reports = pipe({"F": list(made[Modality.F])}, "T", seed=0).reports
        told = [[(_places(t, name), side) for name, side in row.placed] for t in reports]
        named = sum(all(words for words, _ in each) for each in told) / count
        written = sum(all(_tells(*one) for one in each) for each in told) / count
    return Answer(
        asked=float(seen[:, asked].all(1).float().mean()) if asked else nan,
        unasked=float(seen[:, rest].any(1).float().mean()),
        side=_on_side(made[Modality.F], row) if row.side else nan,
        report_side=written,
        report_names=named,
        others={name: share for name, share in shares.items() if share},
        pair=torch.cat([made[view][0, 0] for view in VIEWS], dim=1),
    )


def refused(pipe: CoDiXRPipeline, row: Asked) -> Answer:
    """The answer to a prompt of which the model knows no word: it shows nothing, and isn't good."""
    nan = float("nan")
    asked, side = (0.0 if wanted else nan for wanted in (row.findings, row.side))
    pair = torch.zeros(pipe.size, 2 * pipe.size)
    return Answer(asked, nan, side, nan, nan, {"refused": 1.0}, pair)


@torch.no_grad()
def _on_side(pictures: Tensor, row: Asked) -> float:
    """The share of frontal views [N, 1, S, S] with every asked finding on its asked side alone."""
    answers = load_second_judge(Modality.F).model.outputs(pictures.float())[1]
    sides = answers[..., ANSWERS["side"]].argmax(-1)
    asked = [QUESTIONS.index(name) for name, _ in row.placed]
    wanted = torch.tensor([ATTRIBUTES["side"].index(side) for _, side in row.placed])
    return float((sides[:, asked] == wanted).all(1).float().mean())


def _tells(words: str, side: str) -> bool:
    """Whether sentences name this side and not the other."""
    return side in words and {"left": "right", "right": "left"}[side] not in words


def _places(report: str, finding: str) -> str:
    """The report's sentences that tell of a finding; "" where there is none.

    A pneumonia's sentence calls it an opacity: it tells of one where no other sentence does.
    """
    words = [word for word, name in KEYWORDS if name == finding]
    told = [
        s
        for s in report.split(".")
        if any(w in s for w in words) and not s.strip().startswith("no ")
    ]
    if finding == "Lung Opacity":
        told = [s for s in told if "pneumonia" not in s] or told
    return " ".join(told).replace("lingula", "left")


def draw(rows: list[Asked], answers: list[Answer], to: Path) -> None:
    """The pair of each prompt under its words, three a line, twice their size."""
    high, wide = (2 * side for side in answers[0].pair.shape)
    line, edge = 13, 8
    cell = wide + edge, high + 2 * line + edge
    lines = -(-len(rows) // 3)
    sheet = Image.new("L", (3 * cell[0] + edge, lines * cell[1] + edge), 255)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for k, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        left, top = edge + k % 3 * cell[0], edge + k // 3 * cell[1]
        for n, words in enumerate(textwrap.wrap(row.prompt, 44)[:2]):
            pen.text((left, top + n * line), words, fill=0, font=font)
        grey = (255 * answer.pair.float().clamp(0, 1)).round().to(torch.uint8).numpy()
        large = Image.fromarray(grey).resize((wide, high), Image.Resampling.BICUBIC)
        sheet.paste(large, (left, top + 2 * line))
    sheet.save(to, optimize=True)


def mean(values: list[float]) -> float:
    """Of those that are numbers; NaN for none."""
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else float("nan")


def main() -> int:
    """Print a line a prompt, and the totals; 2 for a file or an option that won't do."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--checkpoint", help="default: the embedded one")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--reports", action="store_true", help="F->T of each frontal view as well")
    parser.add_argument("--sheet", type=Path, help="draw the first pair of each prompt here")
    options = parser.parse_args()
    try:
        if options.samples < 1:
            raise InputError(f"--samples {options.samples}: give 1 or more")
        if options.sheet is not None and not options.sheet.parent.is_dir():
            raise InputError(f"--sheet {options.sheet}: its folder isn't there; make it first")
        run(options)
    except InputError as error:
        print(f"prompts.py: error: {error}", file=sys.stderr)
        return 2
    return 0


def run(options: argparse.Namespace) -> None:
    """Make, read and print."""
    rows = read(options.file)
    pipe = CoDiXRPipeline.from_pretrained(options.checkpoint)
    pipe.set_progress_bar_config(disable=True)
    answers = []
    print(f"{'prompt':68}{'asked':>6}{'other':>6}{'side':>6}{'report':>7}")
    for row in rows:
        try:
            refuse_unknown(pipe.tokenizer, [row.prompt])
        except InputError:
            a = refused(pipe, row)
        else:
            a = answer(pipe, row, options.samples, reports=options.reports)
        answers.append(a)
        numbers = [
            f"{x:.2f}" if x == x else "-" for x in (a.asked, a.unasked, a.side, a.report_side)
        ]
        others = ", ".join(f"{name} {share:.2f}" for name, share in a.others.items())
        print(
            f"{row.prompt[:66]:68}{numbers[0]:>6}{numbers[1]:>6}{numbers[2]:>6}{numbers[3]:>7}"
            f"  {others}",
            flush=True,
        )
    print(
        f"\n{len(rows)} prompts x {options.samples} samples x 2 views: "
        f"asked {mean([a.asked for a in answers]):.3f}, "
        f"unasked {mean([a.unasked for a in answers]):.3f}, "
        f"good {mean([float(a.good) for a in answers]):.3f}, "
        f"side {mean([a.side for a in answers]):.3f}, "
        f"side of the report {mean([a.report_side for a in answers]):.3f} "
        f"({mean([a.report_names for a in answers]):.3f} name the finding)"
    )
    if options.sheet:
        draw(rows, answers, options.sheet)


if __name__ == "__main__":
    sys.exit(main())
