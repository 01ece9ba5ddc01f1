"""Train the phantom track's judge on simulated pictures: one run a view, 3 CPU-minutes.

``python -m codixr.training.phantom_judge --view F`` writes
``codixr/assets/phantom_judge_F.safetensors`` with the thresholds and how it was made in its
metadata, and prints the AUROC of each class on the test split. Float32: on processors without
bfloat16 units, autocast makes these convolutions ten times slower.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from codixr.data.phantom import PhantomDataset
from codixr.data.phantom.judge import CLASSES, PhantomJudge, judge_path
from codixr.data.study import Split
from codixr.messages import say
from codixr.modality import Modality
from codixr.model.tensor_file import write_tensors

BATCH = 64
LEARNING_RATE = 2e-3
NOISE = 0.05
SHIFT = 2


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Random shift, 3x3 blur (half of the pictures, any strength) and noise, [B, 1, H, W]."""
    size = x.shape[-1]
    padded = functional.pad(x, (SHIFT,) * 4, mode="replicate")
    dy, dx = torch.randint(0, 2 * SHIFT + 1, (2, len(x)), generator=generator).tolist()
    x = torch.stack(
        [p[:, i : i + size, j : j + size] for p, i, j in zip(padded, dy, dx, strict=True)]
    )
    box = functional.avg_pool2d(functional.pad(x, (1,) * 4, mode="replicate"), 3, stride=1)
    strength, chosen = torch.rand(2, len(x), 1, 1, 1, generator=generator)
    x = torch.lerp(x, box, strength * (chosen < 0.5))
    sigma = NOISE * torch.rand(len(x), 1, 1, 1, generator=generator)
    return (x + sigma * torch.randn(x.shape, generator=generator)).clamp_(0.0, 1.0)


def masked_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over the labels that are not -1 (uncertain)."""
    known = (labels >= 0).float()
    loss = functional.binary_cross_entropy_with_logits(
        logits, labels.clamp(min=0), reduction="none"
    )
    return (loss * known).sum() / known.sum().clamp(min=1.0)


def load_split(
    split: Split, view: Modality, seed: int, cache_dir: Path | None
) -> tuple[Tensor, NDArray[np.int8]]:
    """Pictures uint8 [n, 1, S, S] and labels int8 [n, k]."""
    data = PhantomDataset(split, seed=seed, cache_dir=cache_dir)
    return torch.from_numpy(np.array(data.images(view)))[:, None], data.label_matrix(CLASSES)


@torch.no_grad()
def probabilities(model: nn.Module, pictures: Tensor) -> NDArray[np.float64]:
    """Float64 [n, k] for uint8 pictures."""
    model.eval()
    parts = [torch.sigmoid(model(x.float() / 255.0)) for x in pictures.split(256)]
    return torch.cat(parts).double().numpy()


def best_thresholds(
    truth: NDArray[np.int8], scores: NDArray[np.float64], classes: Sequence[str] = CLASSES
) -> tuple[dict[str, float], dict[str, float]]:
    """For each class the threshold that is best for F1 where the label is known, and that F1."""
    thresholds, values = {}, {}
    for k, name in enumerate(classes):
        known = truth[:, k] >= 0
        precision, recall, cuts = precision_recall_curve(truth[known, k], scores[known, k])
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = int(np.argmax(f1[:-1]))
        below = scores[known, k][scores[known, k] < cuts[best]]
        thresholds[name] = round(float(0.5 * (cuts[best] + below.max(initial=0.0))), 6)
        values[name] = float(f1[best])
    return thresholds, values


def auroc_table(
    truth: NDArray[np.int8], scores: NDArray[np.float64], classes: Sequence[str] = CLASSES
) -> dict[str, float]:
    """AUROC of each class, where the label is known."""
    table = {}
    for k, name in enumerate(classes):
        known = truth[:, k] >= 0
        table[name] = float(roc_auc_score(truth[known, k], scores[known, k]))
    return table


def train(
    pictures: Tensor, labels: NDArray[np.int8], epochs: int, seed: int, title: str
) -> PhantomJudge:
    """A judge trained for ``epochs`` over the pictures; equal seeds give equal weights."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = PhantomJudge().to(memory_format=torch.channels_last)
    steps = len(pictures) // BATCH
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=epochs * steps
    )
    truth = torch.from_numpy(labels.astype(np.float32))
    began = time.monotonic()
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(pictures), generator=generator)
        total = 0.0
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            x = augment(pictures[chosen].float() / 255.0, generator)
            loss = masked_loss(
                model(x.contiguous(memory_format=torch.channels_last)), truth[chosen]
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        say(
            "phantom_judge",
            f"{title} epoch {epoch + 1}/{epochs}: loss {total / steps:.4f}, "
            f"{time.monotonic() - began:.0f} s",
        )
    return model


def main(argv: list[str] | None = None) -> int:
    """Train, choose thresholds on val, report on test, save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--view", choices=("F", "L"), required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation")
    parser.add_argument("--data-seed", type=int, default=0, help="of the simulated studies")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache-dir", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=None, help="default: codixr/assets")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    view = Modality(args.view)
    splits: dict[Split, tuple[Tensor, NDArray[np.int8]]] = {
        split: load_split(split, view, args.data_seed, args.cache_dir)
        for split in ("train", "val", "test")
    }
    began = time.monotonic()
    model = train(*splits["train"], args.epochs, args.seed, f"judge {view}")
    seconds = time.monotonic() - began
    thresholds, _ = best_thresholds(splits["val"][1], probabilities(model, splits["val"][0]))
    table = auroc_table(splits["test"][1], probabilities(model, splits["test"][0]))
    macro = float(np.mean([table[name] for name in CLASSES[:10]]))
    metadata = {
        "about": "classifier of simulated pictures; says nothing about patients",
        "view": str(view),
        "classes": json.dumps(CLASSES),
        "thresholds": json.dumps(thresholds),
        "test_auroc": json.dumps({name: round(value, 4) for name, value in table.items()}),
        "recipe": json.dumps(
            {
                "epochs": args.epochs,
                "seed": args.seed,
                "data_seed": args.data_seed,
                "batch": BATCH,
                "learning_rate": LEARNING_RATE,
                "noise": NOISE,
                "shift": SHIFT,
                "train_fingerprint": PhantomDataset("train", seed=args.data_seed).fingerprint,
            },
            sort_keys=True,
        ),
    }
    path = args.out or judge_path(view)
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    write_tensors(path, state, metadata)
    for name, value in table.items():
        print(f"{name:28s} {value:.4f}")
    print(f"{'macro of the ten':28s} {macro:.4f}   ({seconds:.0f} s of training)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
