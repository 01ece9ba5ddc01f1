"""Stage 1b: the text tower learns how radiologists write (the phantom's data only).

The tower of stage 1 knows the phantom's own grammar. A new one, with a tokenizer that loses no
word, learns to give for any wording of some findings the vector that the old tower, the teacher,
gives a whole report of them: what a text does not mention is absent. The vision tower stays, and so
does what the denoisers know, whichever tower they were trained on.

The last stage, ``prompt-lexicon``, is the same once more with a wider lexicon: the tower that it
begins with, which every denoiser was trained on, is its teacher. So a text tower can learn new
words when all the rest is trained.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codixr.data.phantom.grammar import write_report
from codixr.data.phantom.wording import (
    Meaning,
    case_of,
    sample_bare,
    sample_meaning,
    sample_pair,
    spelt_words,
    word,
    words_of,
)
from codixr.data.phantom.wording_lexicon import LEXICONS
from codixr.data.phantom.wording_unpictured import NOT_PICTURED
from codixr.data.study import Split
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import components, presets
from codixr.model.familiarity import SPELT
from codixr.model.tokenizer import Tokenizers, encode, load_tokenizers, piece_tokenizer
from codixr.model.unpictured import KEPT_AS
from codixr.training.cache import frozen_table, hash_weights
from codixr.training.draw import Randomness
from codixr.training.encoded import by_length
from codixr.training.folder import TrainingFolder
from codixr.training.recipes import STAGES
from codixr.training.stage import Batch, Stage
from codixr.training.stage_config import WordingTraining

CHUNK = 128
"""Reports that the teacher sees at once."""
PARTS = 4
"""A batch's texts are encoded in so many parts, the short ones together: less padding."""
PAIRS = 0.15
"""Share of a wide lexicon's meanings that are two findings on one side or on two."""
BARE = 0.12
"""Share of them that are one to three findings of no stated extent."""
MEANINGS, WORDS = 7, 11
"""Streams of randomness: what texts are to say, and how they say it."""


def check_data(name: str, data: str) -> None:
    """InputError where ``data`` has no wording of ours."""
    if data != "phantom":
        raise InputError(
            f"{name} teaches the wording of the phantom's findings: give --data phantom; reports "
            "of other data are their own wording, and prompt-encoders learns them"
        )


class WordingStage(Stage):
    """A new text tower after the old one's vectors; ``again``: beginning as the old one."""

    null: Tensor

    def __init__(
        self, folder: TrainingFolder, name: str, config: WordingTraining, *, again: bool = False
    ) -> None:
        check_data(name, folder.data)
        super().__init__(folder, name, frozenset({Modality.T}))
        self.config, self.lexicon = config, LEXICONS[config.lexicon]
        if again:
            _settle_teacher(folder, name)
        self.teacher, self.reader = _teacher(folder, name)
        if again:
            self.replaces["prompt_encoder"] = hash_weights(self.teacher)
        reports = folder.studies("train").reports
        texts = words_of(config.vocabulary_texts, 0, self.lexicon)
        self.tokenizer = piece_tokenizer([*texts, *reports], pieces=config.pieces)
        self.tokenizer.init_kwargs[KEPT_AS] = list(NOT_PICTURED)
        if self.lexicon.is_wide:
            self.tokenizer.init_kwargs[SPELT] = spelt_words(self.tokenizer.get_vocab())
        self.preset = presets.with_prompt_tokens(folder.preset, len(self.tokenizer))
        torch.manual_seed(config.seed)
        encoder: Any = components.BUILDERS["prompt_encoder"](self.preset)
        encoder.vision.load_state_dict(self.teacher.vision.state_dict())
        encoder.vision.requires_grad_(False)
        if again:
            _start_as(encoder.text, self.teacher.text)
        _start_from(encoder.text, self.teacher.text, self.tokenizer, self.reader)
        self.encoder = encoder
        device = folder.state.device
        self.targets = {
            split: self._targets(split, device) for split, rows in self.rows.items() if len(rows)
        }
        self.register_buffer("null", self._taught([""], device)[0], persistent=False)

    def _count(self, split: Split) -> int:
        """Meanings that a split's texts are drawn from."""
        if split == "val":
            return len(self.rows["val"])
        steps = self.config.total_steps if self.config.steps else self.config.meanings
        return min(self.config.meanings, steps * self.config.batch)

    def _targets(self, split: Split, device: torch.device) -> Any:
        """The teacher's vectors: of the split's own reports, then of its meanings; [n, D]."""
        reports = self.folder.studies(split).reports
        count = len(reports) + self._count(split)

        def compute(rows: slice) -> Tensor:
            texts = [
                reports[i] if i < len(reports) else self._whole(i - len(reports), split)
                for i in range(rows.start, rows.stop)
            ]
            return self._taught(texts, device)

        depends: dict[str, str | int] = {
            "weights": hash_weights(self.teacher),
            "data": self.folder.studies(split).fingerprint,
            "seed": self.config.seed,
            "lexicon": self.config.lexicon,
        }
        cache, disk = self.folder.out / "cache", self.folder.disk
        return frozen_table(cache, f"wording-{split}", depends, count, CHUNK, compute, disk)

    @torch.no_grad()
    def _taught(self, texts: list[str], device: torch.device) -> Tensor:
        ids, mask = encode(self.reader, texts, self.teacher.config.max_tokens)
        teacher = self.teacher.to(device)
        vectors: Tensor = teacher.encode_text(ids.to(device), mask.to(device))
        return vectors

    def _stream(self, number: int, split: Split) -> np.random.Generator:
        return np.random.default_rng((self.config.seed, MEANINGS, split == "val", number))

    def _whole(self, number: int, split: Split) -> str:
        """The whole report of a meaning, in the phantom's grammar."""
        rng = self._stream(number, split)
        return write_report(case_of(self._meaning(rng), rng), rng)

    def _meaning(self, rng: np.random.Generator) -> Meaning:
        """What a text is to say; of a wide lexicon, at times several findings and no more."""
        if self.lexicon.is_wide:
            kind = rng.random()
            if kind < PAIRS + BARE:
                return sample_pair(rng) if kind < PAIRS else sample_bare(rng)
        return sample_meaning(rng)

    def read(self, rows: Tensor, split: Split) -> Batch:
        """The rows themselves: texts are written anew at every step."""
        return {"rows": rows, "val": torch.full_like(rows, split == "val")}

    def texts(self, rows: list[int], seeds: list[int], split: Split) -> tuple[list[str], Tensor]:
        """A text a row, and the vectors [B, D] that they are to have.

        One in ``own_share`` is the row's own report; the others are wordings of any meaning.
        """
        own, count = len(self.folder.studies(split).reports), self._count(split)
        texts, places = [], []
        for row, seed in zip(rows, seeds, strict=True):
            rng = np.random.default_rng((self.config.seed, WORDS, seed))
            if rng.random() < self.config.own_share:
                texts.append(self.folder.studies(split).reports[row])
                places.append(row)
                continue
            number = int(rng.integers(count))
            meaning = self._meaning(self._stream(number, split))
            texts.append(word(meaning, rng, self.config.odd, self.lexicon).text)
            places.append(own + number)
        return texts, torch.from_numpy(np.asarray(self.targets[split][places]))

    def forward(self, batch: Batch, draw: Randomness, step: int) -> dict[str, Tensor]:
        """Squared distance to the teacher's vectors; that of the empty text stays, too."""
        split: Split = "val" if bool(batch["val"].any()) else "train"
        seeds = draw.integers(2**31 - 1).tolist()
        texts, wanted = self.texts(batch["rows"].tolist(), seeds, split)
        device = self.null.device
        ids, mask = encode(self.tokenizer, [*texts, ""], self.preset.prompt.max_tokens)
        wanted = torch.cat([wanted.to(device), self.null[None]])
        losses = torch.zeros(len(wanted), device=device)
        for part, width in by_length(mask, PARTS):
            found = self.encoder.encode_text(
                ids[part, :width].to(device), mask[part, :width].to(device)
            )
            losses[part.to(device)] = (found - wanted[part.to(device)]).square().sum(1)
        # Every process has the empty text: it weighs as one of the whole batch's.
        whole = self.config.batch
        return {"loss": (losses[:-1].mean() * whole + losses[-1]) / (whole + 1)}

    def finish(self) -> None:
        """Write the tokenizer, both towers, and the preset that they belong to."""
        folder = self.folder
        old = folder.tokenizers
        folder.save_tokenizers(
            Tokenizers(self.tokenizer, old.report_encoder, old.report_decoder), self.preset
        )
        folder.save("prompt_encoder", self.encoder)
        folder.save_preset(self.preset)


def _teacher(folder: TrainingFolder, name: str) -> tuple[Any, Any]:
    """Stage 1's prompt encoder and its tokenizer, kept aside: the stage replaces both."""
    place = _place(folder, name)
    if folder.disk.writes and not (place / components.INDEX).exists():
        encoder = folder.component("prompt_encoder", name).module
        components.save_component(encoder, place / "prompt_encoder")
        folder.tokenizers.prompt.save_pretrained(place / folder.preset.tokenizers.prompt)
        components.save_preset(folder.preset, place)
    folder.state.wait_for_everyone()
    preset = components.load_preset(place)
    name = preset.tokenizers.prompt
    own = presets.TokenizerConfig(name, name, name)
    encoder = components.load_component(preset, "prompt_encoder", place).requires_grad_(False)
    return encoder, load_tokenizers(own, place).prompt


def _settle_teacher(folder: TrainingFolder, name: str) -> None:
    """Keep aside the tower that the finished stages were trained with, if it is there.

    It is the one kept before, or else the folder's own. InputError where it is neither.
    """
    notes = {stage: folder.done(stage) for stage in STAGES}
    towers = {
        stage: done["inputs"]["prompt_encoder"]
        for stage, done in notes.items()
        if done is not None and "prompt_encoder" in done["inputs"]
    }
    place = _place(folder, name)
    if (place / components.INDEX).exists():
        kept = components.load_component(components.load_preset(place), "prompt_encoder", place)
        if set(towers.values()) <= {hash_weights(kept)}:
            return
    present = folder.component("prompt_encoder", name).sha256
    if others := [stage for stage, tower in towers.items() if tower != present]:
        raise InputError(
            f"{name}: {', '.join(others)} were trained with another prompt_encoder than that in "
            f"{folder.out}: put that back, with its tokenizer and model_index.json, or remove "
            f"these stages' folders in {folder.out / 'stages'} to train them again"
        )
    folder.state.wait_for_everyone()  # each has looked at what is kept before it goes
    if folder.disk.writes:
        shutil.rmtree(place, ignore_errors=True)
    folder.state.wait_for_everyone()


def _place(folder: TrainingFolder, name: str) -> Path:
    """Where a stage's teacher is kept: that of the last lesson outlives the stage's own folder."""
    if name == "prompt-lexicon":
        return folder.out / "teachers" / name
    return folder.stage_folder(name) / "teacher"


@torch.no_grad()
def _start_as(new: Any, old: Any) -> None:
    """Every weight of the same shape begins as the old tower's; the vocabularies differ."""
    known = dict(old.named_parameters())
    for key, tensor in new.named_parameters():
        if key in known and known[key].shape == tensor.shape:
            tensor.copy_(known[key])


@torch.no_grad()
def _start_from(new: Any, old: Any, tokenizer: Any, reader: Any) -> None:
    """The word vectors, places and projection that both towers have begin as the teacher's."""
    words, known = tokenizer.get_vocab(), reader.get_vocab()
    ours, theirs = (t.get_input_embeddings().weight for t in (new, old))
    if ours.shape[1] != theirs.shape[1]:
        return
    for token, number in words.items():
        if token in known:
            ours[number] = theirs[known[token]]
    new.text_projection.weight.copy_(old.text_projection.weight)
    places = dict(old.named_parameters())
    for key, tensor in new.named_parameters():
        if "position_embedding" in key:
            count = min(len(tensor), len(places[key]))
            tensor[:count] = places[key][:count]
