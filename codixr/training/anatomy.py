"""Train the phantom's anatomy estimators: 20 CPU-minutes for F, 6 for L.

``python -m codixr.training.anatomy`` writes ``codixr/assets/phantom_anatomy_F.safetensors``, the
same for L (float16), and ``phantom_anatomy_pair.safetensors``, and prints the errors on the track's
val split; ``--errors test`` trains nothing and prints those of the shipped weights. It learns from
the train split alone: the truth of the simulation, with pictures that are mirrored, enlarged, moved
(the truth moves with them), blurred, and spoiled as for the second judge.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from sklearn.linear_model import QuantileRegressor
from torch import Tensor, nn
from torch.nn import functional

from codixr.data.anatomy_fit import Pair, Region
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom.anatomy_estimator import (
    AnatomyEstimator,
    estimator_path,
    load_estimator,
    load_pair,
    pair_path,
)
from codixr.data.phantom.anatomy_rows import measured, shown
from codixr.data.phantom.dataset import SPLIT_STARTS
from codixr.data.phantom.measures import MEASURES, Kind, measure_names, measure_table, move
from codixr.data.study import Split
from codixr.messages import say
from codixr.modality import Modality
from codixr.model.tensor_file import write_tensors
from codixr.training.second_judge import degrade

VIEWS = (Modality.F, Modality.L)
BATCH = 64
DECAY = 0.01
MIRRORED, BLURRED = 0.5, 0.3
"""Shares of the pictures."""
SHIFT, ENLARGED = 4 / 64, 0.06
"""Of the side, either way; of the size, either way."""


@dataclass(frozen=True, slots=True)
class Round:
    """A part of the training: it begins with what the round before it has learnt."""

    epochs: int
    learning_rate: float
    clean: float
    """The share of pictures that are moved only: real ones are not spoiled."""
    heart: float
    """What errors of the heart's size and place weigh: they are the hardest."""


_FIRST = Round(16, 2e-3, 0.25, 1.0)
ROUNDS = {
    Modality.F: (
        _FIRST,
        Round(14, 1e-3, 0.7, 3.0),
        Round(5, 5e-4, 0.85, 3.0),
        Round(16, 1e-3, 0.9, 5.0),
    ),
    Modality.L: (_FIRST,),
}
"""First what pictures of all kinds have in common; then, for the cardiothoracic ratio, the details
that sharp ones show."""


def load(split: Split, view: Modality, cache_dir: Path | None) -> tuple[Tensor, Tensor]:
    """Pictures uint8 [n, 1, 64, 64] and truth float32 [n, k]."""
    data = PhantomDataset(split, cache_dir=cache_dir)
    pictures = torch.from_numpy(np.array(data.images(view)))[:, None]
    truth = measure_table(view, data.seed, SPLIT_STARTS[split], len(data))
    return pictures, torch.from_numpy(truth)


def transform(
    x: Tensor, truth: Tensor, view: Modality, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Pictures [B, 1, H, W] mirrored, enlarged and moved, each its own way, and their truth."""
    n = len(x)
    mirrored = torch.rand(n, generator=generator) < MIRRORED
    scale = 1.0 + ENLARGED * (2.0 * torch.rand(n, generator=generator) - 1.0)
    across, down = SHIFT * (2.0 * torch.rand(2, n, generator=generator) - 1.0)
    turn = torch.where(mirrored, -1.0, 1.0)
    zero = torch.zeros(n)
    # affine_grid asks where each pixel of the new picture comes from, in half-sides.
    theta = torch.stack(
        [
            torch.stack([turn / scale, zero, -2.0 * turn * across / scale], 1),
            torch.stack([zero, 1.0 / scale, -2.0 * down / scale], 1),
        ],
        1,
    )
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    x = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    rows = truth.numpy()
    placed = {"across": across.numpy(), "down": down.numpy(), "scale": scale.numpy()}
    plain, other = (move(rows, view, mirrored=m, **placed) for m in (False, True))
    return x, torch.from_numpy(np.where(mirrored.numpy()[:, None], other, plain)).float()


def augment(
    x: Tensor, truth: Tensor, view: Modality, generator: torch.Generator, clean: float
) -> tuple[Tensor, Tensor]:
    """Pictures that are transformed, and all but a share ``clean`` of them blurred or spoiled."""
    x, truth = transform(x, truth, view, generator)
    n = len(x)
    blurred = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    chosen = torch.rand(n, 1, 1, 1, generator=generator) < BLURRED
    spoiled = degrade(torch.where(chosen, blurred, x), generator)
    whole = torch.rand(n, 1, 1, 1, generator=generator) < clean
    return torch.where(whole, x, spoiled).clamp(0.0, 1.0), truth


def untrained(truth: Tensor, view: Modality, seed: int) -> AnatomyEstimator:
    """An estimator before it learns, with the middle and scale of the truth [n, k]."""
    torch.manual_seed(seed)
    model = AnatomyEstimator(truth.shape[1])
    model.middle.copy_(truth.mean(dim=0))
    fixed = torch.tensor([one.kind is Kind.SIGN for one in MEASURES[view]])
    model.scale.copy_(torch.where(fixed, torch.ones(len(fixed)), truth.std(dim=0)))
    return model


def train(
    model: AnatomyEstimator,
    pictures: Tensor,
    truth: Tensor,
    view: Modality,
    plan: Round,
    seed: int,
) -> AnatomyEstimator:
    """The estimator after one round, rounded to float16; equal seeds give equal weights."""
    generator = torch.Generator().manual_seed(seed)
    model = model.to(memory_format=torch.channels_last)
    steps = len(pictures) // BATCH
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.learning_rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.learning_rate, total_steps=plan.epochs * steps
    )
    hard = [one.name.startswith(("heart", "cardio")) for one in MEASURES[view]]
    weights = torch.where(torch.tensor(hard), plan.heart, 1.0)
    began = time.monotonic()
    for epoch in range(plan.epochs):
        model.train()
        order = torch.randperm(len(pictures), generator=generator)
        total = 0.0
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            real = pictures[chosen].float() / 255.0
            x, wanted = augment(real, truth[chosen], view, generator, plan.clean)
            found = model.standardised(x.contiguous(memory_format=torch.channels_last))
            wanted = (wanted - model.middle) / model.scale
            each = functional.smooth_l1_loss(found, wanted, beta=0.3, reduction="none")
            loss = (each * weights).sum(dim=1).mean() / weights.sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        say(
            "anatomy",
            f"view {view} epoch {epoch + 1}/{plan.epochs}: loss {total / steps:.4f}, "
            f"{time.monotonic() - began:.0f} s",
        )
    model.load_state_dict({key: _half(value) for key, value in model.state_dict().items()})
    return model.eval()


@torch.inference_mode()
def refit_ratio(model: AnatomyEstimator, pictures: Tensor, truth: Tensor) -> None:
    """Fit the cardiothoracic ratio's row of the last layer anew, by least absolute errors.

    On unspoiled pictures uint8 [n, 1, S, S], measured as ``measured`` does: the ratio is the same
    in all three, and its mean over them is linear in the layer's inputs.
    """
    last = model.head[-1]
    assert isinstance(last, nn.Linear), "the head ends so"
    parts = []
    for x in pictures.split(256):
        three = [model.inputs(one) for one in shown(x.float() / 255.0)]
        parts.append(torch.stack(three).mean(dim=0))
    inputs = torch.cat(parts).double().numpy()
    wanted = ((truth[:, 0] - model.middle[0]) / model.scale[0]).double().numpy()
    # Columns that are always 0 would leave the program without one answer.
    used = np.flatnonzero(inputs.std(axis=0) > 1e-6)
    fitted = QuantileRegressor(quantile=0.5, alpha=0.0).fit(inputs[:, used], wanted)
    last.weight[0] = 0.0
    last.weight[0, torch.from_numpy(used)] = torch.from_numpy(fitted.coef_).float()
    last.bias[0] = float(fitted.intercept_)
    model.load_state_dict({key: _half(value) for key, value in model.state_dict().items()})


def rows_of(model: AnatomyEstimator, view: Modality, pictures: Tensor) -> NDArray[np.float64]:
    """Measures and steadiness of uint8 pictures [n, 1, S, S], [n, k + 2]."""
    parts = [measured(model, view, x.float() / 255.0) for x in pictures.split(256)]
    return np.concatenate(parts)


def errors(rows: NDArray[np.float64], truth: Tensor, view: Modality) -> dict[str, float]:
    """Mean absolute error of each measure, in its own unit."""
    names = measure_names(view)
    gaps = np.abs(rows[:, : len(names)] - truth.double().numpy()).mean(axis=0)
    return {name: round(float(gap), 5) for name, gap in zip(names, gaps, strict=True)}


def main(argv: list[str] | None = None) -> int:
    """Train, round to float16, fit the region and the pair on train, report, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--view", choices=("F", "L"), help="default: both, and then the pair")
    parser.add_argument("--seed", type=int, default=19, help="of weights, order, augmentation")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache-dir", type=Path, default=None, help="of the pictures")
    parser.add_argument(
        "--resume", type=Path, metavar="DIR", help="keep the weights after each round there"
    )
    parser.add_argument(
        "--errors",
        choices=("val", "test"),
        help="train nothing; print the shipped estimators' errors on that split as a table",
    )
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    if args.errors is not None:
        _print_errors(args.errors, args.cache_dir)
        return 0
    for view in VIEWS if args.view is None else (Modality(args.view),):
        _train_view(view, args)
    if args.view is None:
        _fit_pair(args.cache_dir)
    return 0


def _train_view(view: Modality, args: argparse.Namespace) -> None:
    pictures, truth = load("train", view, args.cache_dir)
    model = untrained(truth, view, args.seed)
    for number, plan in enumerate(ROUNDS[view]):
        kept = None if args.resume is None else args.resume / f"anatomy-{view}-{number}.safetensors"
        if kept is not None and kept.is_file():
            model.load_state_dict(load_file(kept))
            continue
        model = train(model, pictures, truth, view, plan, args.seed + number)
        if kept is not None:
            _save(kept, {k: _half(v) for k, v in model.state_dict().items()}, {})
    model.eval()
    if view is Modality.F:
        refit_ratio(model, pictures, truth)
    state = {key: _half(value).contiguous() for key, value in model.state_dict().items()}
    region = Region.fit(rows_of(model, view, pictures))
    state |= {f"region.{name}": torch.from_numpy(one) for name, one in region.arrays().items()}
    pictures, truth = load("val", view, args.cache_dir)
    rows = rows_of(model, view, pictures)
    found = errors(rows, truth, view)
    recipe = {"rounds": [asdict(plan) for plan in ROUNDS[view]], "seed": args.seed, "batch": BATCH,
              "train_fingerprint": PhantomDataset("train").fingerprint}  # fmt: skip
    _save(
        estimator_path(view),
        state,
        {
            "about": "measures simulated pictures; says nothing about patients",
            "view": str(view),
            "measures": json.dumps(measure_names(view)),
            "val_error": json.dumps(found),
            "recipe": json.dumps(recipe, sort_keys=True),
        },
    )
    for name, error in found.items():
        print(f"{view} {name:22s} mean absolute error {error:.4f} = {64 * error:.2f} px of 64")
    print(f"{view} {region.inside(rows).mean():.3f} of val inside the region")


def _print_errors(split: Split, cache_dir: Path | None) -> None:
    """A row a measure, a column a view: pixels of 64 where it is a length or a place."""
    found: dict[str, dict[Modality, str]] = {}
    for view in VIEWS:
        pictures, truth = load(split, view, cache_dir)
        table = errors(rows_of(load_estimator(view).model, view, pictures), truth, view)
        for one in MEASURES[view]:
            error = table[one.name]
            pixels = one.kind in (Kind.ACROSS, Kind.DOWN, Kind.LENGTH)
            shown = f"{64 * error:.2f} px" if pixels else f"{error:.4f}".lstrip("0")
            found.setdefault(one.name, {})[view] = shown
    print(f"| mean absolute error, {split}, n = {len(truth):,} | F | L |\n|---|---|---|")
    for name, cells in found.items():
        print(f"| {name} | {cells.get(Modality.F, '')} | {cells.get(Modality.L, '')} |")


def _fit_pair(cache_dir: Path | None) -> None:
    load_estimator.cache_clear()
    load_pair.cache_clear()
    data = PhantomDataset("train", cache_dir=cache_dir)
    rows, metadata = [], {}
    for view in VIEWS:
        loaded = load_estimator(view)
        pictures = torch.from_numpy(np.array(data.images(view)))[:, None]
        rows.append(rows_of(loaded.model, view, pictures)[:, : len(measure_names(view))])
        metadata[str(view)] = loaded.sha256
    pair = Pair.fit(*rows)
    state = {name: torch.from_numpy(one.copy()) for name, one in pair.arrays().items()}
    _save(pair_path(), state, metadata)
    print("canonical correlations", " ".join(f"{r:.3f}" for r in pair.correlations))


def _save(path: Path, state: dict[str, Tensor], metadata: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, {k: v.contiguous() for k, v in state.items()}, metadata)


def _half(value: Tensor) -> Tensor:
    return value.half() if value.is_floating_point() else value


if __name__ == "__main__":
    sys.exit(main())
