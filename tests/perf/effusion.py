"""Does a pair show the report's effusion on the same side and height? Prints rates over seeds.

`codixr generate --from 'T=Large left pleural effusion.' --to F+L`, and small and moderate ones, are
sampled beside the same seeds without the effusion; what differs is the fluid. Its side is where the
frontal view grew brighter, its height the row where half of the brightening lies below. The same
measure on rendered pairs, with and without the fluid, says how far it can be trusted.

    python tests/perf/effusion.py [--checkpoint DIR] [--seeds 32]
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from codixr.data.phantom.case import Case, Finding
from codixr.data.phantom.render import render_case

PLAIN = "No pleural effusion."
SIZES = {"Small": 0.15, "Moderate": 0.5, "Large": 0.85}
"""What reports call them, and the phantom's severity; seed k has the size k modulo 3."""
Pictures = NDArray[np.float32]
"""[N, S, S] in [0, 1]."""


@dataclass(frozen=True)
class Fluid:
    """Of each pair: is the fluid on the asked side, and at which row in either view."""

    right_side: NDArray[np.bool_]
    rows: NDArray[np.float64]
    """[N, 2]: frontal and lateral, in pixels of 64."""


def measure(with_fluid: tuple[Pictures, ...], without: tuple[Pictures, ...], side: str) -> Fluid:
    """Frontal and lateral pictures of each pair, with and without the fluid."""
    frontal, lateral = (np.clip(a - b, 0, None) for a, b in zip(with_fluid, without, strict=True))
    half = frontal.shape[-1] // 2
    left, right = frontal[:, :, half:], frontal[:, :, :half]  # the patient's left is on our right
    asked, other = (left, right) if side == "left" else (right, left)
    return Fluid(
        asked.mean((1, 2)) > other.mean((1, 2)),
        np.stack([_row(asked.sum(2)), _row(lateral.sum(2))], 1),
    )


def _row(profile: NDArray[np.float32]) -> NDArray[np.float64]:
    """The row above which half of a profile [N, S] lies."""
    below = np.cumsum(profile, 1) / np.maximum(profile.sum(1, keepdims=True), 1e-9)
    return (below < 0.5).sum(1) * 64 / profile.shape[1]


def rendered(side: str, seeds: int) -> Fluid:
    """The measure on the phantom's own pictures."""
    severities = list(SIZES.values())
    pictures = {
        fluid: [
            render_case(
                Case((Finding("Pleural Effusion", severities[k % 3], side),) if fluid else ()),  # type: ignore[arg-type]
                0,
                9000 + k,
                64,
            )
            for k in range(seeds)
        ]
        for fluid in (True, False)
    }
    return measure(_views(pictures[True]), _views(pictures[False]), side)


def _views(pairs: Iterable[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> tuple[Pictures, ...]:
    return tuple(np.stack(view).astype(np.float32) / 255 for view in zip(*pairs, strict=True))


def generated(checkpoint: str | None, side: str, seeds: int) -> Fluid:
    """The measure on what the model makes from one sentence; sample k has the seed k."""
    from codixr import CoDiXRPipeline

    pipe = CoDiXRPipeline.from_pretrained(checkpoint)
    pipe.set_progress_bar_config(disable=None)
    both = [f"Large {side} pleural effusion.", PLAIN]
    made = [
        pipe({"T": text}, "F+L", num_images=seeds, seed=0, output_type="pt").images for text in both
    ]
    fluid, plain = (tuple(m[view][:, 0].numpy() for view in ("F", "L")) for m in made)
    return measure(fluid, plain, side)


def describe(fluid: Fluid) -> str:
    """Rates over all, and the large ones alone, against lateral views of another seed."""
    frontal, lateral = fluid.rows.T
    large, apart = fluid.right_side[2::3], np.abs(frontal - lateral)
    shuffled = np.abs(frontal - np.roll(lateral, 1))
    together = np.corrcoef(frontal, lateral)[0, 1]
    return (
        f"side {fluid.right_side.mean():.2f} (large: {large.mean():.2f})   rows apart: median "
        f"{np.median(apart):.1f}, within 4 {(apart <= 4).mean():.2f}, correlation {together:.2f}   "
        f"(shuffled: {np.median(shuffled):.1f}, {(shuffled <= 4).mean():.2f})"
    )


def main() -> None:
    """Print both sides' rates, rendered and generated."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--checkpoint", help="default: the embedded one")
    parser.add_argument("--seeds", type=int, default=48)
    options = parser.parse_args()
    for side in ("left", "right"):
        print(f"{side:6} rendered   {describe(rendered(side, options.seeds))}", flush=True)
        made = generated(options.checkpoint, side, options.seeds)
        print(f"{side:6} generated  {describe(made)}", flush=True)


if __name__ == "__main__":
    main()
