"""Train the phantom track's second judge: one run a view, 4 CPU-minutes.

``python -m codixr.training.second_judge --view F`` writes
``codixr/assets/phantom_second_judge_F.safetensors`` (float16) with its thresholds and how it was
made in its metadata, and prints what it finds on the tracks' val split. It learns from a simulated
collection of its own (``DATA_SEED``); its augmentations are not the first judge's: resampling
(turned, scaled, shifted, half resolution), contrast (gain, offset, gamma), fine and coarse noise.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from codixr.atomic import replacing
from codixr.data.phantom import PhantomDataset
from codixr.data.phantom.attributes import ATTRIBUTES, AttributeTable, attribute_table
from codixr.data.phantom.dataset import SPLIT_STARTS
from codixr.data.phantom.second_judge import (
    ANSWERS,
    DATA_SEED,
    QUESTIONS,
    SecondJudge,
    second_judge_path,
)
from codixr.data.study import Split
from codixr.messages import say
from codixr.modality import Modality
from codixr.model.tensor_file import write_tensors
from codixr.training.phantom_judge import auroc_table, best_thresholds, masked_loss

BATCH = 64
LEARNING_RATE = 2e-3
DECAY = 0.05
ATTRIBUTE_WEIGHT = 0.3
TURN, SCALE, SHIFT = 4.0, 0.06, 3.0
"""Degrees, share, pixels: up to so much, either way."""
GAIN, OFFSET, GAMMA = 0.15, 0.05, 0.25
"""Contrast about the mean, brightness, and the exponent's power of two."""
FINE_NOISE, COARSE_NOISE = 0.05, 0.03
HALVED = 0.2
"""How many pictures lose resolution, to half at most."""


def _between(low: float, high: float, n: int, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)


def resample(x: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, scale and shift each picture by bilinear interpolation, [B, 1, H, W]."""
    n, side = len(x), x.shape[-1]
    angle = torch.deg2rad(_between(-TURN, TURN, n, generator)).flatten()
    scale = _between(1 - SCALE, 1 + SCALE, n, generator).flatten()
    shift = (torch.rand(n, 2, generator=generator) - 0.5) * (4 * SHIFT / side)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack(
        [torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1
    )
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Resampling, contrast and noise, each picture's own; [B, 1, H, W] in [0, 1]."""
    return degrade(resample(x, generator), generator)


def degrade(x: Tensor, generator: torch.Generator) -> Tensor:
    """Half resolution of some, contrast and noise of all; nothing is moved. [B, 1, H, W]."""
    n, side = len(x), x.shape[-1]
    small = int(torch.randint(side // 2, side, (1,), generator=generator))
    coarse = functional.interpolate(x, size=(small, small), mode="area")
    coarse = functional.interpolate(coarse, size=(side, side), mode="bilinear")
    chosen = torch.rand(n, 1, 1, 1, generator=generator) < HALVED
    x = torch.where(chosen, coarse, x).clamp(0.0, 1.0)
    x = x ** (2.0 ** _between(-GAMMA, GAMMA, n, generator))
    mean = x.mean(dim=(2, 3), keepdim=True)
    x = mean + (x - mean) * _between(1 - GAIN, 1 + GAIN, n, generator)
    x = x + _between(-OFFSET, OFFSET, n, generator)
    fine = torch.randn(x.shape, generator=generator)
    blotches = functional.interpolate(
        torch.randn(n, 1, side // 4, side // 4, generator=generator),
        size=(side, side),
        mode="bilinear",
    )
    x = x + _between(0.0, FINE_NOISE, n, generator) * fine
    x = x + _between(0.0, COARSE_NOISE, n, generator) * blotches
    return x.clamp_(0.0, 1.0)


def questions_of(table: AttributeTable) -> NDArray[np.int8]:
    """The truth of presence, int8 [n, 15] in the order of ``QUESTIONS``; -1 is uncertain."""
    devices = table.present[:, -4:].max(axis=1, keepdims=True)
    return np.concatenate([table.present, devices], axis=1)


def attribute_loss(answers: Tensor, values: Tensor) -> Tensor:
    """Cross-entropy of side, zone and severity where they are known, the mean of the three.

    ``answers`` [B, 15, 10]; ``values`` int64 [B, 14, 3], -1 where there is none to know.
    """
    bearers = values.shape[1]
    losses = [
        functional.cross_entropy(
            answers[:, :bearers, ANSWERS[name]].flatten(0, 1),
            values[:, :, k].flatten(),
            ignore_index=-1,
            reduction="sum",
        )
        / (values[:, :, k] >= 0).sum().clamp(min=1)
        for k, name in enumerate(ATTRIBUTES)
    ]
    return torch.stack(losses).mean()


def load(
    split: Split, view: Modality, seed: int, cache_dir: Path | None
) -> tuple[Tensor, AttributeTable]:
    """Pictures uint8 [n, 1, S, S] of a collection's split, and the truth of their studies."""
    data = PhantomDataset(split, seed=seed, cache_dir=cache_dir)
    pictures = torch.from_numpy(np.array(data.images(view)))[:, None]
    return pictures, attribute_table(seed, SPLIT_STARTS[split], len(data))


@torch.no_grad()
def answers_of(model: SecondJudge, pictures: Tensor) -> NDArray[np.float64]:
    """Float64 [n, 15, 10] for uint8 pictures: logits."""
    model.eval()
    parts = [model.outputs(x.float() / 255.0)[1] for x in pictures.split(256)]
    return torch.cat(parts).double().numpy()


def train(
    pictures: Tensor,
    table: AttributeTable,
    epochs: int,
    seed: int,
    title: str,
    checkpoint: Path | None = None,
    after_epoch: Callable[[int], None] | None = None,
) -> SecondJudge:
    """A judge trained for ``epochs``; equal seeds give equal weights, interrupted or not.

    ``checkpoint``: written after each epoch, and continued from where it is there; then
    ``after_epoch`` is called with the number of epochs done.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = SecondJudge().to(memory_format=torch.channels_last)
    steps = len(pictures) // BATCH
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=epochs * steps
    )
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "schedule": schedule}
    first = 0
    if checkpoint is not None and checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        first = saved["epoch"]
        generator.set_state(saved["generator"])
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    truth = torch.from_numpy(questions_of(table).astype(np.float32))
    values = torch.from_numpy(table.values.astype(np.int64))
    began = time.monotonic()
    for epoch in range(first, epochs):
        model.train()
        order = torch.randperm(len(pictures), generator=generator)
        total = 0.0
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            x = augment(pictures[chosen].float() / 255.0, generator)
            answers = model.outputs(x.contiguous(memory_format=torch.channels_last))[1]
            loss = masked_loss(answers[..., 0], truth[chosen])
            loss = loss + ATTRIBUTE_WEIGHT * attribute_loss(answers, values[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        if checkpoint is not None:
            _save(checkpoint, parts, epoch + 1, generator)
        if after_epoch is not None:
            after_epoch(epoch + 1)
        say(
            "second_judge",
            f"{title} epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, "
            f"{time.monotonic() - began:.0f} s",
        )
    return model


def _save(path: Path, parts: dict[str, Any], epoch: int, generator: torch.Generator) -> None:
    states: dict[str, Any] = {name: part.state_dict() for name, part in parts.items()}
    states |= {"epoch": epoch, "generator": generator.get_state()}
    with replacing(path) as part_path:
        torch.save(states, part_path)


def attribute_accuracy(answers: NDArray[np.float64], table: AttributeTable) -> dict[str, float]:
    """The share of right sides, zones and severities, where a finding has one."""
    found = {}
    for k, name in enumerate(ATTRIBUTES):
        known = table.values[:, :, k] >= 0
        said = answers[:, : known.shape[1], ANSWERS[name]].argmax(axis=-1)
        found[name] = float((said[known] == table.values[:, :, k][known]).mean())
    return found


def main(argv: list[str] | None = None) -> int:
    """Train, round to float16, choose thresholds on val, report, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--view", choices=("F", "L"), required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=18, help="of weights, order, augmentation")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache-dir", type=Path, default=None, help="of the training pictures")
    parser.add_argument("--checkpoint", type=Path, default=None, help="written after each epoch")
    parser.add_argument("--out", type=Path, default=None, help="default: codixr/assets")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    view = Modality(args.view)
    pictures, table = load("train", view, DATA_SEED, args.cache_dir)
    model = train(pictures, table, args.epochs, args.seed, f"view {view}", args.checkpoint)
    state = {key: _half(value).contiguous() for key, value in model.state_dict().items()}
    model.load_state_dict(state)
    pictures, table = load("val", view, 0, None)
    answers = answers_of(model, pictures)
    truth = questions_of(table)
    scores = 1.0 / (1.0 + np.exp(-answers[..., 0]))
    thresholds, best = best_thresholds(truth, scores, QUESTIONS)
    aurocs = auroc_table(truth, scores, QUESTIONS)
    accuracy = attribute_accuracy(answers, table)
    metadata = {
        "about": "classifier of simulated pictures; says nothing about patients",
        "view": str(view),
        "questions": json.dumps(QUESTIONS),
        "attributes": json.dumps(ATTRIBUTES),
        "thresholds": json.dumps(thresholds),
        "val_auroc": json.dumps({name: round(value, 4) for name, value in aurocs.items()}),
        "val_attributes": json.dumps({name: round(value, 4) for name, value in accuracy.items()}),
        "recipe": json.dumps(
            {
                "epochs": args.epochs,
                "seed": args.seed,
                "data_seed": DATA_SEED,
                "batch": BATCH,
                "learning_rate": LEARNING_RATE,
                "train_fingerprint": PhantomDataset("train", seed=DATA_SEED).fingerprint,
            },
            sort_keys=True,
        ),
    }
    path = args.out or second_judge_path(view)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, state, metadata)
    for name, value in aurocs.items():
        print(f"{name:28s} AUROC {value:.4f}  best F1 {best[name]:.3f}")
    print("  ".join(f"{name} {value:.3f}" for name, value in accuracy.items()))
    return 0


def _half(value: Tensor) -> Tensor:
    return value.half() if value.is_floating_point() else value


if __name__ == "__main__":
    sys.exit(main())
