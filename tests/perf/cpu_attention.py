"""A training step on one core: torch's own attention kernel against plain products.

``python tests/perf/cpu_attention.py`` prints the studies a second of ``tiny``'s X-ray denoiser,
forwards and backwards on a batch of 128, in float32 and in bfloat16 autocast; each way in turn, the
median of ``--steps``. The weights are new ones: the speed does not depend on them.
"""

import argparse
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from codixr.model.image_ldm import XrayDenoiser
from codixr.model.presets import named
from codixr.training.cpu_attention import attention_kernel
from codixr.training.recipes import TINY

BATCH = TINY["image-ldm-F"].batch


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12, help="steps of each way (default 12)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    step = denoiser_step()
    ways = {(precision, kernel): [] for precision in ("float32", "bf16") for kernel in (0, 1)}
    for at in range(options.steps + 2):
        for (precision, products), seconds in ways.items():
            took = step(precision == "bf16", bool(products))
            if at >= 2:
                seconds.append(took)
    print(f"{'one core, studies/s':22}{'torch chooses':>14}{'products':>10}{'ratio':>7}")
    for precision in ("float32", "bf16"):
        chosen, products = (BATCH / median(ways[precision, kernel]) for kernel in (0, 1))
        print(f"{precision:22}{chosen:14.0f}{products:10.0f}{products / chosen:7.2f}")


def denoiser_step() -> Callable[[bool, bool], float]:
    """A step of the X-ray denoiser, in bfloat16 or not, by products or not -> its seconds."""
    preset = named("tiny")
    torch.manual_seed(0)
    denoiser = XrayDenoiser(preset.image_unet, preset.image_environment)
    denoiser.environment.requires_grad_(False)
    side = preset.latent_size
    latents = torch.randn(BATCH, preset.image_unet["in_channels"], side, side)
    prompt = torch.randn(BATCH, 1, preset.prompt.embed_dim)
    timesteps = torch.randint(0, 1000, (BATCH,))
    cpu = torch.device("cpu")

    def step(half: bool, products: bool) -> float:
        began = time.perf_counter()
        kernel = attention_kernel(preset, cpu) if products else nullcontext()
        with kernel:
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                made = denoiser(latents, timesteps, prompt)
            made.float().square().mean().backward()
        return time.perf_counter() - began

    return step


if __name__ == "__main__":
    main()
