"""Stages 2a and 2b: a latent diffusion model of one modality, given some of the others.

``LatentStage`` is what it shares with alignment: latents and prompt vectors, cached or computed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codixr.data.study import Split
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import lora
from codixr.training import encoded
from codixr.training.data import as_images
from codixr.training.denoising import (
    alphas_cumulative,
    denoising_loss,
    every_subset,
    mix_conditions,
)
from codixr.training.draw import Randomness
from codixr.training.folder import TrainingFolder
from codixr.training.setting_ranges import check_start, check_together
from codixr.training.stage import Batch, Stage
from codixr.training.stage_config import DenoiserTraining

T = Modality.T
MEAN_OF = 2000
"""Training studies whose latents are averaged, at the most."""
LORA = "default"
"""The adapter's name while it is trained."""


@dataclass(frozen=True)
class Conditions:
    """The prompts that a denoiser is given, and how they are mixed."""

    given: tuple[Modality, ...]
    subsets: list[tuple[int, ...]]
    drop: float
    tokens: bool
    scale: float


class LatentStage(Stage):
    """What denoisers and alignment share: latents and prompt vectors, cached or computed."""

    nulls: Tensor
    abars: Tensor

    def __init__(
        self,
        folder: TrainingFolder,
        name: str,
        made: tuple[Modality, ...],
        conditions: Conditions,
        spreads: dict[Modality, float],
        *,
        cache: bool,
        wordings: int = 0,
        looks: int = 0,
        rewritings: int = 0,
    ) -> None:
        for key, count in (("wordings", wordings), ("looks", looks), ("rewritings", rewritings)):
            if count and not cache:
                raise InputError(
                    f"{name}: {key}={count} are encoded once: give cache=true, or {key}=0"
                )
        needed = frozenset((*made, *conditions.given))
        views = frozenset() if cache else frozenset(m for m in needed if m.is_image)
        super().__init__(folder, name, needed, pictures=views)
        self.made, self.conditions, self.spreads = made, conditions, spreads
        vaes = dict.fromkeys("image_vae" if m.is_image else "report_vae" for m in made)
        for part in (*vaes, "prompt_encoder"):
            self.inputs[part] = folder.component(part, name).sha256
        self.cache = cache
        diffusion = folder.preset.diffusion
        self.register_buffer("abars", alphas_cumulative(diffusion), persistent=False)
        nulls = torch.stack([encoded.null(folder, m, name) for m in conditions.given])
        self.register_buffer("nulls", nulls, persistent=False)
        splits = [split for split, rows in self.rows.items() if len(rows)]
        if cache:
            self.latents = {
                (m, s): encoded.latents(folder, m, s, name, rewritings=rewritings)
                for m in made
                for s in splits
            }
            self.prompts = {
                (m, s): encoded.prompts(folder, m, s, name, wordings=wordings, looks=looks)
                for m in conditions.given
                for s in splits
            }
            folder.set_aside()
        else:
            kinds = {"prompt": T in conditions.given, "report_encoder": T in made}
            self.tokens = {
                (kind, s): folder.tokens(kind, s)
                for kind, used in kinds.items()
                if used
                for s in splits
            }

    def read(self, rows: Tensor, split: Split) -> Batch:
        """``latent-M`` [B, 2, ...] and ``prompt-M`` [B, D]; without a cache, what they are of.

        With other wordings, ``prompt-T`` is [B, 1 + wordings, D]; so are a view's with other looks,
        and ``latent-T`` is [B, 1 + rewritings, 2, ...].
        """
        places = rows.numpy()
        if self.cache:
            batch = {
                f"latent-{m}": torch.from_numpy(np.asarray(self.latents[m, split][places]))
                for m in self.made
            }
            for m in self.conditions.given:
                batch[f"prompt-{m}"] = torch.from_numpy(np.asarray(self.prompts[m, split][places]))
            return batch
        batch = {}
        for m in {*self.made, *self.conditions.given}:
            if m.is_image:
                batch[f"picture-{m}"] = self.folder.studies(split).pixels(m, rows)
        for (kind, of), (ids, mask) in self.tokens.items():
            if of == split:
                batch |= {f"{kind}-ids": ids[rows], f"{kind}-mask": mask[rows]}
        return batch

    @torch.no_grad()
    def encoded(self, batch: Batch) -> Batch:
        """What the frozen encoders make of a batch: the keys that a cached one has."""
        if self.cache:
            return batch
        encoded: Batch = {}
        batch = {n: as_images(x) if n.startswith("picture-") else x for n, x in batch.items()}
        for m in self.made:
            part = self.folder.component("image_vae" if m.is_image else "report_vae", self.name)
            if m.is_image:
                mean, logvar = part.module.posterior(batch[f"picture-{m}"])
                shift, scale = part.module.statistics(mean)
                moments = (mean - shift) / scale, (0.5 * logvar).exp() / scale
            else:
                ids, mask = batch["report_encoder-ids"], batch["report_encoder-mask"]
                mean, logvar = part.module.posterior(ids, mask)
                scale = part.module.latent_scale
                moments = mean * scale, (0.5 * logvar).exp() * scale
            encoded[f"latent-{m}"] = torch.stack(moments, 1)
        encoder = self.folder.component("prompt_encoder", self.name).module
        for m in self.conditions.given:
            if m.is_image:
                encoded[f"prompt-{m}"] = encoder.encode_image(batch[f"picture-{m}"])
            else:
                tokens = batch["prompt-ids"], batch["prompt-mask"]
                encoded[f"prompt-{m}"] = encoder.encode_text(*tokens)
        return encoded

    def clean(self, batch: Batch, modality: Modality, draw: Randomness) -> Tensor:
        """A draw from the posterior of the latent of ``modality``; of one of its reports."""
        mean, std = self.moments(batch, modality, draw).unbind(1)
        return mean + self.spreads[modality] * std * draw.normal(mean.shape[1:])

    def moments(self, batch: Batch, modality: Modality, draw: Randomness | None = None) -> Tensor:
        """Mean and std of the latent [B, 2, ...]; of rewritings, one's or the report's own."""
        found = batch[f"latent-{modality}"]
        return self._one_of(found, draw) if modality is T and found.ndim == 4 else found

    def prompt_vectors(self, batch: Batch, draw: Randomness | None = None) -> Tensor:
        """The vectors of a batch's prompts [B, P, D]; of wordings and looks, one or the study's."""
        given = {m: batch[f"prompt-{m}"] for m in self.conditions.given}
        several = {m: self._one_of(v, draw) for m, v in given.items() if v.ndim == 3}
        return torch.stack(list((given | several).values()), 1)

    @staticmethod
    def _one_of(versions: Tensor, draw: Randomness | None) -> Tensor:
        """Of each row's versions [B, V, ...] one, or the first, which is the study's own."""
        rows = torch.arange(len(versions), device=versions.device)
        chosen = torch.zeros_like(rows) if draw is None else draw.integers(versions.shape[1])
        return versions[rows, chosen]

    def condition(self, batch: Batch, draw: Randomness) -> Tensor:
        """Condition tokens [B, K, D]."""
        c, prompts = self.conditions, self.prompt_vectors(batch, draw)
        mixed = mix_conditions(prompts, self.nulls, c.subsets, c.drop, draw, tokens=c.tokens)
        return mixed * c.scale


class DenoiserStage(LatentStage):
    """A latent diffusion model of one modality, given some of the others."""

    def __init__(
        self, folder: TrainingFolder, name: str, config: DenoiserTraining, made: Modality
    ) -> None:
        check_together(name, config)
        others = tuple(m for m in Modality if m is not made)
        if made.is_image:
            others = (T, *(m for m in others if m is not T))
        if config.condition_mix == "text-only":
            others = (T,)
        super().__init__(
            folder,
            name,
            (made,),
            conditions(folder, others, config.drop),
            {made: config.spread},
            cache=config.cache,
            wordings=config.wordings,
            looks=config.looks,
            rewritings=config.rewritings,
        )
        self.component_name = f"denoiser_{made.lower()}"
        self.denoiser = folder.start(self.component_name, config)
        self.denoiser.environment.requires_grad_(False)
        if config.lora_rank:
            check_start(name, config, folder.init)
            torch.manual_seed(config.seed)
            tokens = self.conditions.tokens
            lora.add(self.denoiser.unet, lora.usual(config.lora_rank, tokens=tokens), LORA)

    def forward(self, batch: Batch, draw: Randomness, step: int) -> dict[str, Tensor]:
        """L_D."""
        batch = self.encoded(batch)
        condition = self.condition(batch, draw)
        clean = self.clean(batch, self.made[0], draw)
        kind = self.folder.preset.diffusion.prediction_type
        loss = denoising_loss(
            self.denoiser, clean, condition, self.abars, draw, kind, self.config.low_noise
        )
        return {"loss": loss}

    @torch.no_grad()
    def mean_latent(self) -> Tensor:
        """Of the training studies' posterior means, normalised: [c, h, w], float32 on the CPU."""
        rows, (view,) = self.rows["train"], self.made
        chosen = rows[torch.linspace(0, len(rows) - 1, min(MEAN_OF, len(rows))).round().long()]
        device, total = self.abars.device, torch.zeros((), dtype=torch.float64)
        for part in chosen.split(128):
            batch = {name: x.to(device) for name, x in self.read(part, "train").items()}
            total = total + self.encoded(batch)[f"latent-{view}"][:, 0].double().cpu().sum(0)
        # As its file keeps it, so that a model is the same before and behind it.
        return (total / len(chosen)).half().float()

    def finish(self) -> None:
        """Write the denoiser; LoRA's matrices in a file of their own, and fused into it."""
        if self.config.lora_rank:
            unet: Any = self.denoiser.unet
            lora.write(
                self.folder.out / "lora" / self.component_name / lora.WEIGHTS,
                {self.component_name: lora.state_of(unet, LORA)},
                {self.component_name: lora.adapters(unet)[LORA]},
            )
            lora.merge(unet, [LORA])
        elif self.made[0].is_image:
            self.denoiser.mean_latent = self.mean_latent()
        self.folder.save(self.component_name, self.denoiser)


def conditions(folder: TrainingFolder, given: tuple[Modality, ...], drop: float) -> Conditions:
    """The prompts ``given``, mixed as the model's diffusion settings say."""
    diffusion = folder.preset.diffusion
    return Conditions(
        given=given,
        subsets=list(every_subset(len(given))),
        drop=drop,
        tokens=diffusion.condition_fusion == "tokens",
        scale=diffusion.context_scale,
    )
