"""`make perf`, the generator: denoising beside diffusers' own pipeline, decoding, memory.

Both pipelines get the same UNet, noise, steps, guidance and batch, turn by turn in one process;
the least time of each counts. Theirs is timed with our one vector as its prompt, where the
latents agree, and with 77 tokens, as it is used.
"""

import argparse
import gc
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor

from codixr import CoDiXRPipeline
from codixr.modality import Modality
from codixr.model.generation import Settings, decoded, latents_of
from codixr.model.given import Given
from codixr.model.image_ldm import XrayDenoiser
from codixr.model.sampling import Condition, Flow, sample

MIDDLE: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "block_out_channels": [128, 256, 256],
    "layers_per_block": 1,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def denoising(
    name: str,
    config: dict[str, Any],
    steps: int,
    batch: int,
    rounds: int,
    *,
    compiled: bool = False,
) -> None:
    """Seconds of the denoising loop, ours and theirs; ``compiled``: our denoiser, their UNet."""
    preset = CoDiXRPipeline.from_pretrained().preset
    torch.manual_seed(0)
    denoiser = XrayDenoiser(config, preset.image_environment).eval()
    own = UNet2DConditionModel(**config).eval()
    own.load_state_dict(denoiser.unet.state_dict())
    scheduler = DDIMScheduler(**SCHEDULER)
    theirs = StableDiffusionPipeline(
        None, None, None, own, scheduler, None, None, requires_safety_checker=False
    )
    theirs.set_progress_bar_config(disable=True)
    side, width = config["sample_size"], config["cross_attention_dim"]
    noise = torch.randn(batch, config["in_channels"], side, side)
    condition, null = torch.randn(batch, width), torch.randn(batch, width)
    generators = [torch.Generator() for _ in range(batch)]
    flow = Flow(denoiser, noise, Condition(condition, null, 2.0), generators)

    def ours() -> Tensor:
        return sample({Modality.F: flow}, scheduler, steps)[Modality.F]

    def reference(tokens: int) -> Tensor:
        return theirs(
            prompt_embeds=condition[:, None].expand(-1, tokens, -1),
            negative_prompt_embeds=null[:, None].expand(-1, tokens, -1),
            latents=noise,
            height=side * 8,
            width=side * 8,
            num_inference_steps=steps,
            guidance_scale=2.0,
            output_type="latent",
        ).images

    if compiled:
        denoiser.compile()
        own.compile()
    difference = float((ours() - reference(1)).abs().max())
    jobs: dict[str, Callable[[], Tensor]] = {
        "ours": ours,
        "theirs, one token": lambda: reference(1),
        "theirs, 77 tokens": lambda: reference(77),
    }
    if compiled:
        best = _best({k: v for k, v in jobs.items() if "77" not in k}, rounds)
    else:
        denoiser.unet.to(memory_format=torch.contiguous_format)
        best = _best(jobs, rounds)
        denoiser.to(memory_format=torch.channels_last)
        best |= _best({"ours, channels_last": ours}, rounds)
    print(f"\ndenoising, {name}: {steps} steps, batch {batch}; latents differ by {difference:.1e}")
    for job, seconds in best.items():
        print(f"  {job:22}{seconds:8.3f} s   {seconds / best['ours']:.2f} × ours", flush=True)


def pictures(count: int, rounds: int) -> None:
    """Frontal X-rays per second of the embedded model from reports, prompt to picture."""
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    report = {"T": "Large left pleural effusion."}

    def made() -> Any:
        return pipe(report, "F", num_images=count, seed=0, output_type="np")

    best = _best({"made": made}, rounds)["made"]
    print(f"\nthe embedded model, {count} frontal X-rays: {count / best:.2f} a second", flush=True)


def decoding(count: int) -> None:
    """Seconds to decode reports one by one and together."""
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    black = [{Modality.L: torch.zeros(1, 64, 64).numpy() + k / count} for k in range(count)]
    latents = latents_of(
        pipe,
        Given(black),
        [Modality.T],
        {Modality.T: [torch.Generator().manual_seed(k) for k in range(count)]},
        Settings(4),
    )[Modality.T]

    def together() -> list[str]:
        return decoded(pipe, Modality.T, latents, ())

    def one_by_one() -> list[str]:
        return [decoded(pipe, Modality.T, row, ())[0] for row in latents.split(1)]

    assert together() == one_by_one()
    best = _best({"together": together, "one by one": one_by_one}, 3)
    ratio = best["one by one"] / best["together"]
    print(f"\ndecoding {count} reports: {best['together']:.3f} s together, ", end="")
    print(f"{best['one by one']:.3f} s one by one: {ratio:.1f} ×", flush=True)


def memory() -> None:
    """Peak of processes by batch size and number of samples: flat in the second."""
    few, many = 32, 96
    print(f"\npeak memory of a process, F+L+T from nothing, 2 steps: {few} and {many} samples")
    for batch in (1, 4, 8, 16, 32):
        peaks = [_peak_of_process(count, batch) for count in (few, many)]
        print(f"  batch {batch:2}: {peaks[0]} and {peaks[1]} MB", flush=True)


def _peak_of_process(count: int, batch: int) -> int:
    command = [sys.executable, __file__, "--peak", str(count), str(batch)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _peak(count: int, batch: int) -> None:
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    pipe({}, "F+L+T", num_images=count, batch_size=batch, num_inference_steps=2, seed=0)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


def _best(jobs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The least processor seconds of each job, run turn by turn: neighbours count less."""
    found = dict.fromkeys(jobs, float("inf"))
    for _ in range(rounds):
        for name, job in jobs.items():
            gc.collect()
            began = time.process_time()
            job()
            found[name] = min(found[name], time.process_time() - began)
    return found


def main() -> None:
    """Print what is asked for; everything by default."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--only", choices=["denoising", "pictures", "decoding", "memory"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compiled", action="store_true", help="compile both first")
    parser.add_argument("--peak", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        _peak(*options.peak)
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; processor seconds")
    if options.only in (None, "denoising"):
        embedded = CoDiXRPipeline.from_pretrained().preset.image_unet
        how: dict[str, Any] = {"rounds": options.rounds, "compiled": options.compiled}
        denoising("tiny's UNet", embedded, steps=4, batch=16, **how)
        denoising("a middle-sized UNet", MIDDLE, steps=2, batch=4, **how)
    if options.only in (None, "pictures"):
        pictures(16, options.rounds)
    if options.only in (None, "decoding"):
        decoding(32)
    if options.only in (None, "memory"):
        memory()


if __name__ == "__main__":
    main()
