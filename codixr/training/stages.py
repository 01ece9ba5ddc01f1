"""What each stage trains: its module, its batches, its loss, and what it leaves in the folder.

A stage is one module, whose forward is the loss: that is what Accelerate wraps for several
processes, precision and sharding.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from codixr.data.labels import PATHOLOGIES
from codixr.data.study import Split
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.training import contrastive, image_vae, report_vae
from codixr.training.alignment import alignment_loss
from codixr.training.cache import hash_weights
from codixr.training.denoising import (
    alphas_cumulative,
    denoising_loss,
    every_subset,
    mix_conditions,
)
from codixr.training.draw import Draw
from codixr.training.folder import Workshop, stage_command
from codixr.training.recipes import (
    AlignmentTraining,
    DenoiserTraining,
    ImageVAETraining,
    PromptTraining,
    ReportVAETraining,
    StageConfig,
    resolved,
)

Batch = dict[str, Tensor]
F, L, T = Modality.F, Modality.L, Modality.T


class Stage(nn.Module, ABC):
    """What the engine trains: parameters that require a gradient, batches by row, a loss."""

    name: str
    config: Any
    inputs: dict[str, str]
    """Frozen component -> hash of its weights: what the stage's result belongs to."""

    def __init__(self, shop: Workshop, name: str, needed: frozenset[Modality]) -> None:
        super().__init__()
        self.shop, self.name, self.inputs = shop, name, {}
        splits: tuple[Split, ...] = ("train", "val")
        self.rows = {split: shop.rows(name, split, needed) for split in splits}

    def fetch(self, places: Tensor, split: Split) -> Batch:
        """The batch of studies at ``places`` among the usable ones of a split, on the CPU."""
        return self.read(self.rows[split][places], split)

    @abstractmethod
    def read(self, rows: Tensor, split: Split) -> Batch:
        """The batch of a split's rows."""

    @abstractmethod
    def forward(self, batch: Batch, draw: Draw, step: int) -> dict[str, Tensor]:
        """Losses by name; "loss" is trained."""

    @abstractmethod
    def finish(self) -> None:
        """Write what was learnt to the folder (called in the first process only)."""


class ImageVAEStage(Stage):
    """Both views through one autoencoder."""

    def __init__(self, shop: Workshop, name: str, config: ImageVAETraining) -> None:
        super().__init__(shop, name, frozenset({F, L}))
        self.vae = shop.start("image_vae", config)

    def read(self, rows: Tensor, split: Split) -> Batch:
        """Both views, [B, 1, H, W]."""
        return {v: self.shop.studies(split).images(v, rows) for v in (F, L)}

    def forward(self, batch: Batch, draw: Draw, step: int) -> dict[str, Tensor]:
        """The frontal views, then the lateral ones, in one batch."""
        side = self.shop.preset.latent_size
        shape = (self.vae.autoencoder.config.latent_channels, side, side)
        noise = torch.cat([draw.normal(shape), draw.normal(shape)])
        return image_vae.image_vae_loss(
            self.vae,
            torch.cat([batch[F], batch[L]]),
            noise,
            mse_weight=self.config.mse_weight,
            kl_weight=self.config.kl_weight,
        )

    def finish(self) -> None:
        """Measure the latents' statistics, and write both."""
        studies, device = self.shop.studies("train"), self.shop.state.device
        some = self.rows["train"][:1000]
        batches = (studies.images(v, part).to(device) for v in (F, L) for part in some.split(64))
        image_vae.measure_statistics(self.vae, batches, self.config.whitening)
        config, preset = self.vae.autoencoder.config, self.shop.preset
        numbers = {"latents_mean": config.latents_mean, "latents_std": config.latents_std}
        autoencoder = {**preset.image_vae.autoencoder, **numbers}
        self.shop.save("image_vae", self.vae)
        vae = replace(preset.image_vae, autoencoder=autoencoder)
        self.shop.save_preset(replace(preset, image_vae=vae))


class PromptStage(Stage):
    """Contrast of pairs."""

    def __init__(self, shop: Workshop, name: str, config: PromptTraining) -> None:
        super().__init__(shop, name, frozenset(Modality))
        weights = {"TF": config.weight_tf, "TL": config.weight_tl, "FL": config.weight_fl}
        if not any(weights.values()):
            raise InputError(f"{name}: weight_tf, weight_tl and weight_fl are all 0")
        encoder: Any = shop.start("prompt_encoder", config)
        self.contrast = contrastive.ContrastiveLoss(
            encoder,
            weights,
            config.temperature,
            label_weight=config.label_weight,
            labels=len(PATHOLOGIES),
        )
        self.labels: dict[Split, Tensor] = {}
        if config.label_weight:
            self.labels = {
                split: torch.from_numpy(shop.studies(split).labels(PATHOLOGIES))
                for split, rows in self.rows.items()
                if len(rows)
            }
        self.tokens = {
            split: shop.tokens("prompt", split) for split, rows in self.rows.items() if len(rows)
        }

    def train(self, mode: bool = True) -> "PromptStage":
        """As always, but the stem's norms go by the batch: they are measured at the end only."""
        super().train(mode)
        for norm in self.contrast.encoder.stem_norms():
            norm.train()
        return self

    def read(self, rows: Tensor, split: Split) -> Batch:
        """Both views, the report's tokens, and its labels where they weigh."""
        ids, mask = self.tokens[split]
        batch: Batch = {v: self.shop.studies(split).images(v, rows) for v in (F, L)}
        if self.labels:
            batch["labels"] = self.labels[split][rows]
        return batch | {"ids": ids[rows], "mask": mask[rows]}

    def forward(self, batch: Batch, draw: Draw, step: int) -> dict[str, Tensor]:
        """CL of the pairs; the pictures shaken in training."""
        views = [batch[v] for v in (F, L)]
        if self.training and (self.config.noise or self.config.shift):
            views = [
                contrastive.augment(v, draw, self.config.noise, self.config.shift) for v in views
            ]
        return self.contrast(*views, batch["ids"], batch["mask"], batch.get("labels"))

    def finish(self) -> None:
        """Measure what the stem's norms need, and write the two towers."""
        studies, device = self.shop.studies("train"), self.shop.state.device
        some = self.rows["train"][:2000].split(self.config.batch)
        encoder = self.contrast.encoder
        both = (torch.cat([studies.images(v, part) for v in (F, L)]) for part in some)
        encoder.measure_statistics(pictures.to(device) for pictures in both)
        self.shop.save("prompt_encoder", encoder)


class ReportVAEStage(Stage):
    """Reconstruction of reports."""

    def __init__(self, shop: Workshop, name: str, config: ReportVAETraining) -> None:
        super().__init__(shop, name, frozenset({T}))
        self.vae = shop.start("report_vae", config)
        lower = config.lower_case
        self.tokens = {
            split: [
                shop.tokens(kind, split, lower=lower)
                for kind in ("report_encoder", "report_decoder")
            ]
            for split, rows in self.rows.items()
            if len(rows)
        }
        decoder = shop.tokenizers.report_decoder
        known = (decoder.unk_token_id, decoder.pad_token_id)
        self.unknown = next(int(i) for i in known if i is not None)

    def read(self, rows: Tensor, split: Split) -> Batch:
        """Encoder's and decoder's ids and masks."""
        (ids, mask), (wanted, real) = self.tokens[split]
        return {"ids": ids[rows], "mask": mask[rows], "wanted": wanted[rows], "real": real[rows]}

    def forward(self, batch: Batch, draw: Draw, step: int) -> dict[str, Tensor]:
        """Cross-entropy and KL at the step's beta; at the final beta in validation."""
        c = self.config
        phase, at, steps = c.phase(step)
        progress = at / max(1, steps)
        beta = c.refine_beta
        if phase == 0:
            beta = report_vae.beta_at(progress, c.beta_zero, c.beta_rise, c.beta)
        drop = c.refine_word_drop if phase else c.word_drop if progress < 0.5 else c.word_drop_late
        if not self.training:
            drop, beta = 0.0, c.refine_beta if c.refine_steps else c.beta
        return report_vae.report_vae_loss(
            self.vae,
            (batch["ids"], batch["mask"]),
            (batch["wanted"], batch["real"]),
            draw,
            beta=beta,
            word_drop=drop,
            unknown=self.unknown,
            free_bits=c.free_bits if beta > 0 else 0.0,
        )

    def finish(self) -> None:
        """Measure the latents' scale, and write both."""
        device = self.shop.state.device
        ids, mask = (x[self.rows["train"]] for x in self.tokens["train"][0])
        parts = zip(ids.split(256), mask.split(256), strict=True)
        report_vae.measure_scale(self.vae, ((i.to(device), m.to(device)) for i, m in parts))
        self.shop.save("report_vae", self.vae)


@dataclass(frozen=True)
class Conditions:
    """The prompts that a denoiser is given, and how they are mixed."""

    given: tuple[Modality, ...]
    subsets: list[tuple[int, ...]]
    drop: float
    tokens: bool
    scale: float


class _LatentStage(Stage):
    """What denoisers and alignment share: latents and prompt vectors, cached or computed."""

    nulls: Tensor
    abars: Tensor

    def __init__(
        self,
        shop: Workshop,
        name: str,
        made: tuple[Modality, ...],
        conditions: Conditions,
        spreads: dict[Modality, float],
        *,
        cache: bool,
    ) -> None:
        super().__init__(shop, name, frozenset((*made, *conditions.given)))
        self.made, self.conditions, self.spreads = made, conditions, spreads
        vaes = dict.fromkeys("image_vae" if m.is_image else "report_vae" for m in made)
        for part in (*vaes, "prompt_encoder"):
            self.inputs[part] = shop.component(part, name).sha256
        self.cache = cache
        diffusion = shop.preset.diffusion
        self.register_buffer("abars", alphas_cumulative(diffusion), persistent=False)
        nulls = torch.stack([shop.null(m, name) for m in conditions.given])
        self.register_buffer("nulls", nulls, persistent=False)
        splits = [split for split, rows in self.rows.items() if len(rows)]
        if cache:
            self.latents = {(m, s): shop.latents(m, s, name) for m in made for s in splits}
            self.prompts = {
                (m, s): shop.prompts(m, s, name) for m in conditions.given for s in splits
            }
        else:
            kinds = {"prompt": T in conditions.given, "report_encoder": T in made}
            self.tokens = {
                (kind, s): shop.tokens(kind, s)
                for kind, used in kinds.items()
                if used
                for s in splits
            }

    def read(self, rows: Tensor, split: Split) -> Batch:
        """``latent-M`` [B, 2, ...] and ``prompt-M`` [B, D]; without a cache, what they are of."""
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
                batch[f"picture-{m}"] = self.shop.studies(split).images(m, rows)
        for (kind, of), (ids, mask) in self.tokens.items():
            if of == split:
                batch |= {f"{kind}-ids": ids[rows], f"{kind}-mask": mask[rows]}
        return batch

    @torch.no_grad()
    def _encoded(self, batch: Batch) -> Batch:
        """What the frozen encoders make of a batch: the keys that a cached one has."""
        if self.cache:
            return batch
        encoded: Batch = {}
        for m in self.made:
            part = self.shop.component("image_vae" if m.is_image else "report_vae", self.name)
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
        encoder = self.shop.component("prompt_encoder", self.name).module
        for m in self.conditions.given:
            if m.is_image:
                encoded[f"prompt-{m}"] = encoder.encode_image(batch[f"picture-{m}"])
            else:
                tokens = batch["prompt-ids"], batch["prompt-mask"]
                encoded[f"prompt-{m}"] = encoder.encode_text(*tokens)
        return encoded

    def clean(self, batch: Batch, modality: Modality, draw: Draw) -> Tensor:
        """A draw from the posterior of the latent of ``modality``."""
        mean, std = batch[f"latent-{modality}"].unbind(1)
        return mean + self.spreads[modality] * std * draw.normal(mean.shape[1:])

    def condition(self, batch: Batch, draw: Draw) -> Tensor:
        """Condition tokens [B, K, D]."""
        c = self.conditions
        prompts = torch.stack([batch[f"prompt-{m}"] for m in c.given], 1)
        mixed = mix_conditions(prompts, self.nulls, c.subsets, c.drop, draw, tokens=c.tokens)
        return mixed * c.scale


class DenoiserStage(_LatentStage):
    """A latent diffusion model of one modality, given some of the others."""

    def __init__(self, shop: Workshop, name: str, config: DenoiserTraining, made: Modality) -> None:
        others = tuple(m for m in Modality if m is not made)
        if made.is_image:
            others = (T, *(m for m in others if m is not T))
        if config.condition_mix == "text-only":
            if not made.is_image:
                raise InputError(
                    f"{name}: condition_mix=text-only, but its conditions are X-rays: use "
                    "all-subsets"
                )
            others = (T,)
        super().__init__(
            shop,
            name,
            (made,),
            _conditions(shop, others, config.drop),
            {made: config.spread},
            cache=config.cache,
        )
        self.component_name = f"denoiser_{made.lower()}"
        self.denoiser = shop.start(self.component_name, config)
        self.denoiser.environment.requires_grad_(False)

    def forward(self, batch: Batch, draw: Draw, step: int) -> dict[str, Tensor]:
        """L_D."""
        batch = self._encoded(batch)
        condition = self.condition(batch, draw)
        clean = self.clean(batch, self.made[0], draw)
        kind = self.shop.preset.diffusion.prediction_type
        loss = denoising_loss(self.denoiser, clean, condition, self.abars, draw, kind)
        return {"loss": loss}

    def finish(self) -> None:
        """Write the denoiser."""
        self.shop.save(self.component_name, self.denoiser)


class AlignmentStage(_LatentStage):
    """F+L given T, or F+T given L with everything of F frozen."""

    def __init__(
        self, shop: Workshop, name: str, config: AlignmentTraining, second: Modality
    ) -> None:
        given = T if second is L else L
        if second is T and shop.done("alignment-F+L") is None:
            # F's environment parts stay as they are in this stage: they must have learnt.
            command = stage_command("alignment-F+L", shop.preset.name, shop.data, shop.out)
            raise InputError(f"{name} needs alignment-F+L, which is not finished: first {command}")
        super().__init__(
            shop,
            name,
            (F, second),
            _conditions(shop, (given,), config.drop),
            {F: 1.0, L: 1.0, T: config.report_spread},
            cache=config.cache,
        )
        self.names = [f"denoiser_{m.lower()}" for m in (F, second)]
        flows = [shop.component(part, name).module for part in self.names]
        self.flows = nn.ModuleList(flows)
        learning = flows if second is L else flows[1:]
        for part, flow in zip(self.names, flows, strict=True):
            self.inputs[part] = hash_weights(flow, "unet." if flow in learning else "")
        for flow in learning:
            flow.environment.requires_grad_(True)

    def forward(self, batch: Batch, draw: Draw, step: int) -> dict[str, Tensor]:
        """L_D of both flows, and the contrast of their V."""
        batch = self._encoded(batch)
        condition = self.condition(batch, draw)
        latents = [self.clean(batch, m, draw) for m in self.made]
        first, second = self.flows
        return alignment_loss(
            first,
            second,
            (latents[0], latents[1]),
            condition,
            self.abars,
            draw,
            temperature=self.config.temperature,
            contrast_weight=self.config.contrast_weight,
            prediction_type=self.shop.preset.diffusion.prediction_type,
        )

    def finish(self) -> None:
        """Write the flows."""
        for part, flow in zip(self.names, self.flows, strict=True):
            if any(p.requires_grad for p in flow.parameters()):
                self.shop.save(part, flow)


def _conditions(shop: Workshop, given: tuple[Modality, ...], drop: float) -> Conditions:
    diffusion = shop.preset.diffusion
    return Conditions(
        given=given,
        subsets=list(every_subset(len(given))),
        drop=drop,
        tokens=diffusion.condition_fusion == "tokens",
        scale=diffusion.context_scale,
    )


def build(shop: Workshop, name: str, config: StageConfig) -> Stage:
    """The stage ``name``, ready to be trained."""
    builders: dict[str, Callable[..., Stage]] = {
        "image-vae": ImageVAEStage,
        "prompt-encoders": PromptStage,
        "report-vae": ReportVAEStage,
        "image-ldm-F": lambda *a: DenoiserStage(*a, F),
        "image-ldm-L": lambda *a: DenoiserStage(*a, L),
        "report-ldm": lambda *a: DenoiserStage(*a, T),
        "alignment-F+L": lambda *a: AlignmentStage(*a, L),
        "alignment-F+T": lambda *a: AlignmentStage(*a, T),
    }
    stage = builders[name](shop, name, config)
    stage.config = resolved(config, len(stage.rows["train"]))
    return stage
