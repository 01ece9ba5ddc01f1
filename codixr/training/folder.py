"""The folder that a model is trained in: what is finished there, and what stages share.

OUT is itself a checkpoint that grows: ``model_index.json``, the tokenizers, and a folder for each
finished component. ``stages/STAGE`` holds a stage's config, checkpoints and ``done.json``,
``cache`` what frozen encoders made of the studies, ``logs`` the tracker's files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from codixr.atomic import make_folder, write_atomically
from codixr.data.study import Split
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import components
from codixr.model.official.start import RECORD
from codixr.model.presets import DiffusionConfig, Preset
from codixr.model.tokenizer import Tokenizers, encode, load_tokenizers, save_tokenizers
from codixr.training.brought import NOTE, brought, check_outside, founding_note, keep, read_note
from codixr.training.cache import hash_weights
from codixr.training.data import OpenData, TrainingStudies
from codixr.training.disk import disk_of
from codixr.training.founding import founded
from codixr.training.parts import CHANGERS, ENCODERS, MAKERS, not_finished
from codixr.training.processes import join_processes, refused_together
from codixr.training.stage_config import StageConfig


@dataclass(frozen=True)
class Frozen:
    """A finished component, in eval mode and without gradients, and the hash of its weights."""

    module: Any
    sha256: str


class TrainingFolder:
    """A training folder, its preset, its tokenizers and its studies."""

    def __init__(
        self,
        out: Path,
        preset: str,
        data: str,
        open_data: OpenData,
        image_size: int,
        *,
        init: Path | None = None,
        model_settings: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> None:
        self.out, self.data, self.limit = out, data, limit
        self._open_data, self._image_size = open_data, image_size
        self._studies: dict[Split, TrainingStudies | None] = {}
        self._frozen: dict[str, Frozen] = {}
        self.state = join_processes()
        self.disk = disk_of(out, self.state)
        index = out / components.INDEX
        there = index.exists()
        self.state.wait_for_everyone()
        with refused_together():
            check_outside(init, out)
            if self.disk.writes and not there:
                self._found(preset, init, model_settings or {})
        self.preset = self._with_its_case(components.load_preset(out))
        self._check(preset, init, dict(model_settings or {}))
        self.tokenizers = load_tokenizers(self.preset.tokenizers, out)

    def _found(self, name: str, init: Path | None, settings: Mapping[str, Any]) -> None:
        """Write the preset and the tokenizers of a new folder."""
        preset, tokenizers = founded(
            name, init, settings, self._image_size, lambda: self.studies("train").reports
        )
        save_tokenizers(tokenizers, preset.tokenizers, self.out)
        note = {"data": self.data, "fingerprint": self.studies("train").fingerprint}
        self.write(NOTE, note | founding_note(init))
        components.save_preset(preset, self.out)

    def _with_its_case(self, preset: Preset) -> Preset:
        """A folder from when only the report VAE could be lower-cased goes on as it was begun.

        Its index says nothing of the case. Reports are lower-cased if its report VAE's were, unless
        a report LDM has begun on latents of reports that were not.
        """
        config = self.stage_folder("report-vae") / "config.json"
        index = json.loads((self.out / components.INDEX).read_text())
        says = index.get("preset", index)["tokenizers"]
        if "lower_case" in says or not config.exists():
            return preset
        before = bool(json.loads(config.read_text()).get("lower_case", False))
        lower_case = before and not self.stage_folder("report-ldm").exists()
        return replace(preset, tokenizers=replace(preset.tokenizers, lower_case=lower_case))

    def _check(self, name: str, init: Path | None, settings: dict[str, Any]) -> None:
        """InputError where the command contradicts the folder."""
        if self.preset.name != name:
            raise InputError(
                f"--out {self.out} holds preset '{self.preset.name}', not --preset {name}: give "
                "another folder"
            )
        if self.preset.image_size != self._image_size:
            raise InputError(
                f"--out {self.out} makes pictures of {self.preset.image_size} pixels, not "
                f"--image-size {self._image_size}: give another folder"
            )
        saved = read_note(self.out)
        fingerprint = self.studies("train").fingerprint
        if saved["fingerprint"] != fingerprint:
            raise InputError(
                f"--out {self.out} was begun with data {saved['data']} "
                f"({saved['fingerprint'][:12]}), not {self.data} ({fingerprint[:12]}): give "
                "another folder, or the data and the limit that it was begun with"
            )
        given = None if init is None else str(init.resolve())
        if init is not None and saved["init"] != given:
            raise InputError(
                f"--out {self.out} was begun with --init {saved['init']}, not {given}: give "
                "another folder"
            )
        self.init = None if saved["init"] is None else Path(saved["init"])
        for field_name, value in settings.items():
            owner = self.preset.tokenizers if field_name == "lower_case" else self.preset.diffusion
            there = getattr(owner, field_name)
            if there != value:
                raise InputError(
                    f"{field_name}: --out {self.out} has {there}, the command says {value}: give "
                    "another folder"
                )

    def write(self, name: str, content: Any) -> None:
        """Write a JSON file in the folder, whole or not at all."""
        text = json.dumps(content, indent=2, sort_keys=True) + "\n"
        path = self.out / name
        make_folder(path.parent)
        write_atomically(path, text.encode())

    def stage_folder(self, stage: str) -> Path:
        """Where a stage keeps its config, checkpoints and note of completion."""
        return self.out / "stages" / stage

    def done(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage noted, or None."""
        path = self.stage_folder(stage) / "done.json"
        return _read_note(path) if path.exists() else None

    def finish(self, stage: str, note: dict[str, Any]) -> None:
        """Note that a stage is finished."""
        self.write(f"stages/{stage}/done.json", note)

    def replaced(self, part: str, by: str) -> list[str]:
        """Hashes of a component's former weights, whose place a finished stage's have taken.

        Only where the present ones, of hash ``by``, are those that this stage made.
        """
        places = (self.out / "stages").glob("*/done.json")
        notes = (self.done(place.parent.name) or {} for place in sorted(places))
        return [note["replaces"][part] for note in notes if note.get("makes", {}).get(part) == by]

    def reload(self) -> None:
        """Forget what was loaded: a stage has changed the folder."""
        self._frozen.clear()
        self.preset = self._with_its_case(components.load_preset(self.out))
        self.tokenizers = load_tokenizers(self.preset.tokenizers, self.out)

    def studies(self, split: Split) -> TrainingStudies:
        """The studies of one split; InputError when the data has none."""
        found = self.studies_or_none(split)
        if found is None or not len(found):
            raise InputError(f"--data {self.data}: it has no {split} split")
        return found

    def studies_or_none(self, split: Split) -> TrainingStudies | None:
        """The same, or None."""
        if split not in self._studies:
            dataset = self._open_data(split)
            self._studies[split] = (
                None
                if dataset is None
                else TrainingStudies(dataset, self._image_size, self.out / "cache", self.disk)
            )
        return self._studies[split]

    def rows(self, stage: str, split: Split, needed: frozenset[Modality]) -> Tensor:
        """Rows of the studies that have every modality in ``needed``; InputError for none."""
        studies = self.studies_or_none(split)
        if studies is None:
            return torch.empty(0, dtype=torch.long)
        for m in sorted(needed):
            if m.is_image and studies.all_have(m) is None:
                studies.decode_together(m)
        have = {m: studies.has(m) for m in sorted(needed)}
        for m, has in have.items():
            if split == "train" and not has.any():
                raise InputError(
                    f"{stage} needs {m}, and no training study of --data {self.data} has it"
                )
        both = np.logical_and.reduce(list(have.values()))
        if split == "train" and not both.any():
            names = "+".join(sorted(needed))
            raise InputError(
                f"{stage} needs studies with {names}, and none of --data {self.data} has them all"
            )
        return torch.from_numpy(np.flatnonzero(both))

    def start(self, name: str, config: StageConfig) -> nn.Module:
        """A component to train: from ``--init`` where that has it and is wanted, else new."""
        torch.manual_seed(config.seed)
        if config.start == "init" and (module := brought(self, name)) is not None:
            return module.train()
        return components.BUILDERS[name](self.preset)

    def has(self, name: str) -> bool:
        """Whether a component is finished, or comes with ``--init``."""
        return self.made(name) or self.comes(name)

    def comes(self, name: str) -> bool:
        """Whether a component is that of ``--init``."""
        return not self.made(name) and self.init is not None and (self.init / name).is_dir()

    def made(self, name: str) -> bool:
        """Whether a finished stage of this folder made a component, or changed it."""
        return any(self.done(stage) is not None for stage in (MAKERS[name], *CHANGERS[name]))

    def component(self, name: str, needed_by: str) -> Frozen:
        """A finished component on the device; InputError when its stage has not been run."""
        if name not in self._frozen:
            module = self.load(name, needed_by).requires_grad_(False)
            self._frozen[name] = Frozen(module, hash_weights(module))
        self._frozen[name].module.to(self.state.device)
        return self._frozen[name]

    def set_aside(self) -> None:
        """Move the frozen encoders off a GPU: what they make is cached. ``component`` fetches."""
        for name, frozen in self._frozen.items():
            if name in ENCODERS:
                frozen.module.to("cpu")

    def load(self, name: str, needed_by: str) -> nn.Module:
        """A finished component, on the CPU; InputError where no stage made it, or it changed."""
        if self.made(name):
            return components.load_component(self.preset, name, self.out)
        if (module := brought(self, name)) is not None:
            if self.disk.writes and not (self.out / name).is_dir():
                keep(module, self.out / name)
            return module
        raise not_finished(self, name, needed_by)

    @property
    def keeps_official_vae(self) -> bool:
        """Whether the image VAE is another project's, from ``codixr init``: it stays as it is."""
        init = self.init
        return init is not None and (init / RECORD).is_file() and (init / "image_vae").is_dir()

    def save(self, name: str, module: nn.Module) -> None:
        """Write a component."""
        components.save_component(module, self.out / name)
        self._frozen.pop(name, None)

    def save_preset(self, preset: Preset) -> None:
        """Write a changed preset."""
        self.preset = preset
        components.save_preset(preset, self.out)

    def save_tokenizers(self, tokenizers: Tokenizers, preset: Preset) -> None:
        """Write the tokenizers to the folders that ``preset`` names."""
        self.tokenizers = tokenizers
        save_tokenizers(tokenizers, preset.tokenizers, self.out)

    def tokens(self, kind: str, split: Split) -> tuple[Tensor, Tensor]:
        """Token ids and masks of every report by one tokenizer: int64 [n, N].

        ``kind`` is prompt, report_encoder or report_decoder. Every stage reads reports in the same
        case: what one learns from is what the next one sees.
        """
        return self.encoded(kind, self.studies(split).reports)

    def encoded(self, kind: str, reports: list[str]) -> tuple[Tensor, Tensor]:
        """The same for any texts."""
        limit = (self.preset.prompt if kind == "prompt" else self.preset.report_vae).max_tokens
        if self.preset.tokenizers.lower_case:
            reports = [report.lower() for report in reports]
        return encode(getattr(self.tokenizers, kind), reports, limit)


def _read_note(path: Path) -> dict[str, Any]:
    """A stage's note of completion; InputError for a damaged one."""
    try:
        note: dict[str, Any] = json.loads(path.read_text())
    except ValueError:
        raise InputError(
            f"{path} is damaged or cut short; remove {path.parent} to train the stage again"
        ) from None
    return note


MODEL_FIELDS = frozenset(f.name for f in fields(DiffusionConfig)) | {"lower_case"}
"""The model's own settings, e.g. ``condition_fusion``."""
