"""Stage 2b, first half: the report VAE (Optimus): reconstruction with a KL that rises.

Notable: encoder (BERT) and decoder (GPT-2) may split words differently, hence two sets of ids.
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from codixr.data.study import Split
from codixr.modality import Modality
from codixr.model.report_vae import ReportVAE
from codixr.training.draw import Randomness
from codixr.training.folder import TrainingFolder
from codixr.training.report_variants import variants
from codixr.training.stage import Batch, Stage
from codixr.training.stage_config import ReportVAETraining

KINDS = ("report_encoder", "report_decoder")


def report_vae_loss(
    vae: ReportVAE,
    encoder: tuple[Tensor, Tensor],
    decoder: tuple[Tensor, Tensor],
    draw: Randomness,
    *,
    beta: float,
    word_drop: float,
    unknown: int,
    free_bits: float = 0.0,
    longest: int | None = None,
) -> dict[str, Tensor]:
    """Cross-entropy a report + ``beta`` x KL; (ids, mask), each [B, N], for either tokenizer.

    ``word_drop`` of the decoder's input words are replaced by ``unknown``, so that it must read
    the latent rather than copy its own past. Below ``free_bits`` nats a dimension's KL is free
    (Optimus: it is left out of the sum). ``longest``: the words for which is drawn which are
    dropped, where a batch is cut to its own longest report; what is drawn must not depend on that.
    """
    ids, mask = decoder
    mean, logvar = vae.posterior(*encoder)
    latent = mean + (0.5 * logvar).exp() * draw.normal(mean.shape[1:])
    given, wanted, real = ids[:, :-1], ids[:, 1:], mask[:, 1:]
    drawn = draw.uniform((given.shape[1] if longest is None else longest - 1,))
    dropped = drawn[:, : given.shape[1]] < word_drop
    dropped[:, 0] = False
    logits = vae.logits(latent, given.masked_fill(dropped, unknown)).float()
    wanted = wanted.masked_fill(real == 0, -100)
    error = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum") / len(ids)
    parts = 0.5 * (mean.square() + logvar.exp() - 1 - logvar)
    kl = parts.sum(1).mean()
    charged = (parts * (parts > free_bits)).sum(1).mean() if free_bits else kl
    return {"loss": error + beta * charged, "nll": error.detach(), "kl": kl.detach()}


def cut(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Ids and mask [..., N] up to the longest report's end."""
    longest = int(mask.flatten(0, -2).any(0).nonzero().max()) + 1
    return ids[..., :longest], mask[..., :longest]


def one_variant(batch: Batch, draw: Randomness) -> Batch:
    """Of tensors [B, K, N], the rows [B, N] of one of K variants a study, up to their longest."""
    which = draw.integers(batch["ids"].shape[1])[:, None, None]
    own = {name: x.gather(1, which.expand(-1, 1, x.shape[2]))[:, 0] for name, x in batch.items()}
    ids, mask = cut(own["ids"], own["mask"])
    wanted, real = cut(own["wanted"], own["real"])
    return {"ids": ids, "mask": mask, "wanted": wanted, "real": real}


def beta_at(progress: float, zero: float, rise: float, top: float) -> float:
    """Beta at ``progress`` 0..1 of a cycle: 0 for a share, rising for a share, then ``top``."""
    if progress < zero:
        return 0.0
    return top * min(1.0, (progress - zero) / rise) if rise else top


@torch.no_grad()
def measure_scale(vae: ReportVAE, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Set ``latent_scale`` to 1 / std of the posterior means over (ids, mask) batches."""
    means = torch.cat([vae.posterior(ids, mask)[0] for ids, mask in batches])
    vae.latent_scale.copy_(1 / means.std())


class ReportVAEStage(Stage):
    """Reconstruction of reports."""

    def __init__(self, folder: TrainingFolder, name: str, config: ReportVAETraining) -> None:
        super().__init__(folder, name, frozenset({Modality.T}))
        self.vae: Any = folder.start("report_vae", config)
        self.tokens = {
            split: [folder.tokens(kind, split) for kind in KINDS]
            for split, rows in self.rows.items()
            if len(rows)
        }
        self.variants = self._variants(config.variants, config.seed)
        decoders = [decoder for _, (decoder, _) in self.tokens.values()]
        decoders += [ids for ids, _ in self.variants[1:]]
        self.longest = max(ids.shape[-1] for ids in decoders)
        decoder = folder.tokenizers.report_decoder
        known = (decoder.unk_token_id, decoder.pad_token_id)
        self.unknown = next(int(i) for i in known if i is not None)

    def _variants(self, count: int, seed: int) -> list[tuple[Tensor, Tensor]]:
        """By either tokenizer, ids and masks [n, 1 + count, N] of the training reports' variants.

        The first is the report itself; empty without variants.
        """
        if not count:
            return []
        reports = self.folder.studies("train").reports
        texts = [reports, *variants(reports, count, seed)]
        flat = [text for of_one in zip(*texts, strict=True) for text in of_one]
        both = [self.folder.encoded(kind, flat) for kind in KINDS]
        return [(i.unflatten(0, (-1, 1 + count)), m.unflatten(0, (-1, 1 + count))) for i, m in both]

    def read(self, rows: Tensor, split: Split) -> Batch:
        """Encoder's and decoder's ids and masks, without the padding that all rows share."""
        told = self.variants if self.variants and split == "train" else self.tokens[split]
        (ids, mask), (wanted, real) = (cut(i[rows], m[rows]) for i, m in told)
        return {"ids": ids, "mask": mask, "wanted": wanted, "real": real}

    def forward(self, batch: Batch, draw: Randomness, step: int) -> dict[str, Tensor]:
        """Cross-entropy and KL at the step's beta; at the final beta in validation."""
        c = self.config
        if batch["ids"].ndim == 3:
            batch = one_variant(batch, draw)
        phase, at, steps = c.phase(step)
        progress = at / max(1, steps)
        beta = c.refine_beta
        if phase == 0:
            beta = beta_at(progress, c.beta_zero, c.beta_rise, c.beta)
        drop = c.refine_word_drop if phase else c.word_drop if progress < 0.5 else c.word_drop_late
        if not self.training:
            drop, beta = 0.0, c.refine_beta if c.refine_steps else c.beta
        return report_vae_loss(
            self.vae,
            (batch["ids"], batch["mask"]),
            (batch["wanted"], batch["real"]),
            draw,
            beta=beta,
            word_drop=drop,
            unknown=self.unknown,
            free_bits=c.free_bits if beta > 0 else 0.0,
            longest=self.longest,
        )

    def finish(self) -> None:
        """Measure the latents' scale, and write both."""
        device = self.folder.state.device
        ids, mask = (x[self.rows["train"]] for x in self.tokens["train"][0])
        parts = zip(ids.split(256), mask.split(256), strict=True)
        measure_scale(self.vae, ((i.to(device), m.to(device)) for i, m in parts))
        self.folder.save("report_vae", self.vae)
