"""A few samples of the stage at hand, for a person to look at while it trains.

Notable: they come from the first validation studies, always the same noise. Previews of real data
stay in the training folder, and are written only when asked for (``--preview``).
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PILImage
from torch import Tensor

from codixr.atomic import make_folder, replacing, write_atomically
from codixr.modality import Modality
from codixr.model.configs import scale_at
from codixr.model.tokenizer import decode, ends
from codixr.training.alignment import AlignmentStage
from codixr.training.denoising import mix_conditions
from codixr.training.draw import Draw
from codixr.training.image_vae import ImageVAEStage
from codixr.training.latent_diffusion import DenoiserStage, LatentStage
from codixr.training.reading import to_device
from codixr.training.report_vae import ReportVAEStage
from codixr.training.stage import Stage

COUNT = 8
STEPS = 20


@torch.no_grad()
def write_preview(stage: Stage, folder: Path, step: int) -> list[Path]:
    """Write ``folder/STAGE/step-N.png`` or ``.txt``, or both; nothing for prompt encoders.

    A picture's upper rows are the studies' own, the lower ones what the model makes of them.
    """
    count = min(COUNT, len(stage.rows["val"]))
    if not count:
        return []
    training = stage.training
    stage.eval()
    rows = stage.rows["val"][:count]
    made = _made(stage, rows)
    if training and isinstance(stage, LatentStage) and stage.cache:
        stage.folder.set_aside()
    stage.train(training)
    written = []
    make_folder(folder / stage.name)
    pictures = [row for m, (own, new) in made.items() if m.is_image for row in (own, new)]
    base = folder / stage.name
    if pictures:
        sheet = np.concatenate([np.concatenate(list(row), 1) for row in pictures], 0)
        path = base / f"step-{step:08d}.png"
        with replacing(path) as part:
            PILImage.fromarray(sheet).save(part, "PNG")
        written.append(path)
    if Modality.T in made:
        lines = [f"study: {a}\nmodel: {b}\n" for a, b in zip(*made[Modality.T], strict=True)]
        path = base / f"step-{step:08d}.txt"
        write_atomically(path, "\n".join(lines).encode())
        written.append(path)
    return written


def _made(stage: Stage, rows: Tensor) -> dict[Modality, tuple[Any, Any]]:
    """Modality -> (the studies' own, what the model makes)."""
    folder = stage.folder
    studies, device = folder.studies("val"), folder.state.device
    reports = [studies.reports[row] for row in rows.tolist()]
    if isinstance(stage, ImageVAEStage):
        views = {m: studies.images(m, rows) for m in (Modality.F, Modality.L)}
        restored = {
            m: stage.vae.reconstruct(stage.vae.posterior(v.to(device))[0]) for m, v in views.items()
        }
        return {m: (_pixels(v), _pixels(restored[m])) for m, v in views.items()}
    if isinstance(stage, ReportVAEStage):
        ids, mask = stage.tokens["val"][0]
        latents = stage.vae.encode(ids[rows].to(device), mask[rows].to(device))
        return {Modality.T: (reports, _words(stage.vae, latents, folder))}
    if not isinstance(stage, DenoiserStage | AlignmentStage):
        return {}
    batch = stage.encoded(to_device(stage.read(rows, "val"), device))
    latents = _sample(stage, batch, len(rows))
    found: dict[Modality, tuple[Any, Any]] = {}
    for m, latent in latents.items():
        if m.is_image:
            vae = folder.component("image_vae", stage.name).module
            found[m] = (_pixels(studies.images(m, rows)), _pixels(vae.decode(latent)))
        else:
            vae = folder.component("report_vae", stage.name).module
            found[m] = (reports, _words(vae, latent, folder))
    return found


def _sample(
    stage: DenoiserStage | AlignmentStage, batch: dict[str, Tensor], count: int
) -> dict[Modality, Tensor]:
    """DDIM with guidance, given all of a study's conditions."""
    given, diffusion = stage.conditions, stage.folder.preset.diffusion
    prompts = stage.prompt_vectors(batch)
    everything = [tuple(range(len(given.given)))]
    draw = Draw(0, 0, count, device=prompts.device, validation=True)
    mixed = [
        mix_conditions(vectors, stage.nulls, everything, drop, draw, tokens=given.tokens)
        for vectors, drop in ((prompts, 0.0), (prompts, 1.0))
    ]
    context = torch.cat(mixed) * given.scale
    flows: list[Any] = list(stage.flows) if isinstance(stage, AlignmentStage) else [stage.denoiser]
    z = {m: draw.normal(stage.moments(batch, m).shape[2:]) for m in stage.made}
    steps = torch.linspace(len(stage.abars) - 1, 0, STEPS + 1).long().tolist()
    for now, then in pairwise(steps):
        stamp = torch.full((2 * count,), now, device=prompts.device)
        double = {m: torch.cat([x, x]) for m, x in z.items()}
        vectors = (
            [
                flow.encode_environment(double[m], stamp)
                for flow, m in zip(flows, stage.made, strict=True)
            ]
            if len(flows) > 1
            else [None]
        )
        for flow, m, other in zip(flows, stage.made, reversed(vectors), strict=True):
            with_prompt, without = flow(double[m], stamp, context, other).float().chunk(2)
            usual = diffusion.guidance_of(m)
            scale = scale_at(now / len(stage.abars), *usual)
            eps = without + scale * (with_prompt - without)
            abar, next_abar = stage.abars[now], stage.abars[then]
            clean = (z[m] - (1 - abar).sqrt() * eps) / abar.sqrt()
            if m is Modality.T and diffusion.report_clip is not None:
                clean = clean.clamp(-diffusion.report_clip, diffusion.report_clip)
                eps = (z[m] - abar.sqrt() * clean) / (1 - abar).sqrt()
            z[m] = next_abar.sqrt() * clean + (1 - next_abar).sqrt() * eps
            if then == 0:
                z[m] = clean
    return z


def _pixels(images: Tensor) -> NDArray[np.uint8]:
    pixels = (images[:, 0].float().clamp(0, 1) * 255).round().to(torch.uint8)
    return np.asarray(pixels.cpu())


def _words(vae: Any, latents: Tensor, folder: Any) -> list[str]:
    tokenizer = folder.tokenizers.report_decoder
    return decode(tokenizer, vae.decode(latents, *ends(tokenizer)).cpu())
