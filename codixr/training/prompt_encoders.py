"""Stage 1: CLIP's two towers, by the contrast of reports and X-rays (paper, section III-A).

Stage 1c, ours, is the same once more: the text tower stays, as stage 1b left it, and the vision
tower learns what a batch of whole reports seldom asks for: the side, the zone, the severity.
"""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codixr.data.exchanges import SEVERITIES, SIDES, ZONES, one_exchanged
from codixr.data.labels import PATHOLOGIES
from codixr.data.study import Split
from codixr.modality import Modality
from codixr.progress import Progress
from codixr.training import contrastive
from codixr.training.data import as_images
from codixr.training.draw import Randomness
from codixr.training.familiar import measure_familiarity
from codixr.training.folder import TrainingFolder
from codixr.training.setting_ranges import check_together
from codixr.training.stage import Batch, Stage
from codixr.training.stage_config import PromptTraining

F, L = Modality.F, Modality.L


class PromptStage(Stage):
    """Contrast of pairs; ``again``: of the folder's own towers, as an earlier stage left them."""

    def __init__(
        self, folder: TrainingFolder, name: str, config: PromptTraining, *, again: bool = False
    ) -> None:
        super().__init__(folder, name, frozenset(Modality), pictures=frozenset({F, L}))
        weights = {"TF": config.weight_tf, "TL": config.weight_tl, "FL": config.weight_fl}
        check_together(name, config)
        encoder: Any = (
            _own(folder, name, config) if again else folder.start("prompt_encoder", config)
        )
        if config.frozen_text:
            encoder.text.requires_grad_(False)
        self.contrast = contrastive.ContrastiveLoss(
            encoder,
            weights,
            config.temperature,
            label_weight=config.label_weight,
            labels=len(PATHOLOGIES),
            together=config.views == "together",
        )
        self.labels: dict[Split, Tensor] = {}
        if config.label_weight:
            self.labels = {
                split: torch.from_numpy(folder.studies(split).labels(PATHOLOGIES))
                for split, rows in self.rows.items()
                if len(rows)
            }
        self.tokens = {
            split: folder.tokens("prompt", split) for split, rows in self.rows.items() if len(rows)
        }
        self.near: dict[Split, dict[Modality, Tensor]] = {}
        if config.near_misses:
            self.near = {
                split: self._near(encoder, split, config.near_misses) for split in self.tokens
            }

    @torch.no_grad()
    def _near(self, encoder: Any, split: Split, count: int) -> dict[Modality, Tensor]:
        """For each view the vectors [n, K, D] of what a report nearly is; zeros for want of one."""
        reports = self.folder.studies(split).reports
        misses = {
            view: [near_misses(report, view, i, count) for i, report in enumerate(reports)]
            for view in (F, L)
        }
        texts = sorted({text for found in misses.values() for some in found for text in some})
        device = self.folder.state.device
        encoder.to(device).eval()
        vectors: dict[str, Tensor] = {}
        with Progress(f"near misses of {split}", len(texts), unit="texts") as bar:
            for first in range(0, len(texts), 256):
                some = texts[first : first + 256]
                ids, mask = self.folder.encoded("prompt", some)
                rows = encoder.encode_text(ids.to(device), mask.to(device)).cpu()
                vectors |= dict(zip(some, rows, strict=True))
                bar.advance(len(some))
        tables = {v: torch.zeros(len(reports), count, encoder.config.embed_dim) for v in (F, L)}
        for view, found in misses.items():
            for i, some in enumerate(found):
                for k, text in enumerate(some):
                    tables[view][i, k] = vectors[text]
        return tables

    def train(self, mode: bool = True) -> "PromptStage":
        """As always, but the stem's norms go by the batch: they are measured at the end only."""
        super().train(mode)
        for norm in self.contrast.encoder.stem_norms():
            norm.train()
        return self

    def read(self, rows: Tensor, split: Split) -> Batch:
        """Both views, the report's tokens, and its labels where they weigh."""
        ids, mask = self.tokens[split]
        batch: Batch = {v: self.folder.studies(split).pixels(v, rows) for v in (F, L)}
        if self.labels:
            batch["labels"] = self.labels[split][rows]
        if self.near:
            batch |= {f"near {view}": table[rows] for view, table in self.near[split].items()}
        return batch | {"ids": ids[rows], "mask": mask[rows]}

    def forward(self, batch: Batch, draw: Randomness, step: int) -> dict[str, Tensor]:
        """CL of the pairs; in training, of pictures with noise and shifts."""
        views = [as_images(batch[v]) for v in (F, L)]
        if self.training and (self.config.noise or self.config.shift):
            views = [
                contrastive.augment(v, draw, self.config.noise, self.config.shift) for v in views
            ]
        near = {str(v): batch[f"near {v}"] for v in (F, L)} if self.near else None
        return self.contrast(*views, batch["ids"], batch["mask"], batch.get("labels"), near)

    def finish(self) -> None:
        """Measure the stem's norms and what training pictures are like; write the two towers."""
        studies, device = self.folder.studies("train"), self.folder.state.device
        some = self.rows["train"][:2000].split(self.config.batch)
        encoder = self.contrast.encoder
        both = (torch.cat([studies.images(v, part) for v in (F, L)]) for part in some)
        encoder.measure_statistics(pictures.to(device) for pictures in both)
        self.folder.save("prompt_encoder", encoder)
        measure_familiarity(self.folder, self.rows, encoder.eval())


def _own(folder: TrainingFolder, name: str, config: PromptTraining) -> Any:
    """The folder's towers, to be trained on; InputError where there are none."""
    encoder = deepcopy(folder.component("prompt_encoder", name).module)
    torch.manual_seed(config.seed)
    return encoder.requires_grad_(True).train()


def near_misses(report: str, view: Modality, number: int, count: int) -> list[str]:
    """Up to ``count`` texts that differ from ``report`` in one side, zone or severity.

    Chosen by ``number``, the study's place. No side for L, which can't tell it.
    """
    kinds = (ZONES, SEVERITIES) if view == L else (SIDES, ZONES, SEVERITIES)
    texts = [text for words in kinds for text in one_exchanged(report, words)]
    chosen = np.random.default_rng(number).permutation(len(texts))[:count]
    return [texts[i] for i in sorted(chosen)]
