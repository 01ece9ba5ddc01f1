"""The card of a finished model: what it is, the commands that train the same, what they cost."""

import shlex
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from codixr.errors import InputError
from codixr.model.presets import DiffusionConfig
from codixr.training.folder import TrainingFolder
from codixr.training.founding import Usual, usual
from codixr.training.parts import WORDING, stage_words
from codixr.training.recipes import STAGES, for_other_data, recipe
from codixr.training.settings import resolved, second_phase
from codixr.training.stage_config import StageConfig, as_text, value_then

Note = Mapping[str, Any]
"""What a finished stage noted, its ``done.json``."""


def card(folder: TrainingFolder, millions: float) -> str:
    """The model card: what it is, and what each stage cost."""
    notes = {name: note for name in STAGES if (note := folder.done(name)) is not None}
    rows = [
        f"| {name} | {n['steps']:,} x {n['config']['batch']} | "
        f"{n['processes']} x {n.get('hardware', 'not noted')} | "
        f"{n['wall_seconds'] / 3600:.2f} | {n['cpu_seconds'] / 3600:.2f} | {n['config']['seed']} |"
        for name, n in notes.items()
    ]
    hours = sum(n["wall_seconds"] for n in notes.values()) / 3600
    table, size = "\n".join(rows), folder.preset.image_size
    studies = max((n["data"]["studies"]["train"] for n in notes.values()), default=0)
    command = "\n    ".join(" \\\n        ".join(parts) for parts in commands(folder, notes))
    return f"""\
---
library_name: codixr
pipeline_tag: any-to-any
tags: [chest-x-ray, radiology-report, latent-diffusion, codi-xr]
---

# CoDi_XR, preset `{folder.preset.name}`

{millions:,.1f} M parameters, {size}x{size} pictures. Trained on {studies:,} studies by

    {command}

in {hours:.1f} hours:

| stage | steps x batch | processes x hardware | hours | CPU hours of the first process | seed |
|---|---|---|---|---|---|
{table}

Not a medical device.
"""


def commands(folder: TrainingFolder, notes: Mapping[str, Note]) -> list[list[str]]:
    """What trains the same, a command each, in parts for a line each; its words are quoted.

    ``all``, or from ``--init`` the stages by themselves where some were left, as they were run. A
    command has no setting of a stage that is not its own: it would be refused.
    """
    begun = _usual(folder)
    size = folder.preset.image_size
    shared = ["--init CHECKPOINT"] if folder.init is not None else []
    shared += [f"--image-size {size}"] if size != begun.image_size else []
    shared += [f"--limit {folder.limit}"] if folder.limit is not None else []
    data, model = shlex.quote(folder.data), _of_the_model(folder, begun)
    return [
        [
            f"codixr train {words} --preset {folder.preset.name} --data {data} --out DIR",
            *shared,
            *(f"--set {shlex.quote(text)}" for text in [*settings(folder, own), *model]),
        ]
        for words, own in _runs(folder, notes)
    ]


def _runs(
    folder: TrainingFolder, notes: Mapping[str, Note]
) -> list[tuple[str, Mapping[str, Note]]]:
    """(stage as ``codixr train`` takes it, the notes of what it trained) of each command."""
    left = set(recipe(folder.preset.name)) - set(notes)
    if folder.data != "phantom":
        left -= set(WORDING)
    if folder.keeps_official_vae:
        left.discard("image-vae")
    if folder.init is None or not left:
        return [("all", notes)]
    # A later one works on what an earlier one made, so their order is part of it.
    order = sorted(notes, key=lambda stage: str(notes[stage].get("finished", "")))
    return [(stage_words(stage), {stage: notes[stage]}) for stage in order]


def settings(folder: TrainingFolder, notes: Mapping[str, Note]) -> list[str]:
    """KEY=VALUE of what the stages had and the recipe does not say, as ``--set`` takes them.

    A setting that all stages with such a field have alike stands once, without a stage's name.
    """
    had: dict[str, dict[str, Any]] = {}
    changed: set[tuple[str, str]] = set()
    named: set[str] = set()
    for stage, note in notes.items():
        values, other = _difference(_recipe_of(folder, stage), note)
        for name, value in values.items():
            had.setdefault(name, {})[stage] = value
        changed |= {(name, stage) for name in other}
        if {"steps", "epochs"} <= other:
            named |= {"steps"}  # with a prefix they decide, whether or not epochs have one
    told = []
    for name, stages in had.items():
        here = [stage for stage in stages if (name, stage) in changed]
        alike = len(set(stages.values())) == 1 and name not in named
        if here and alike:
            told.append(f"{name}={as_text(stages[here[0]])}")
        else:
            told += [f"{stage}.{name}={as_text(stages[stage])}" for stage in here]
    return told


def _recipe_of(folder: TrainingFolder, stage: str) -> StageConfig:
    """A stage's config where a command sets nothing."""
    config = recipe(folder.preset.name)[stage]
    return config if folder.data == "phantom" else for_other_data(config)


def _difference(usual: StageConfig, note: Note) -> tuple[dict[str, Any], set[str]]:
    """Every value that a stage had, and the names of those that a command has to say.

    Its steps are None where its epochs say how many they are: these alone are said then.
    """
    values = {f.name: value_then(note["config"], usual, f) for f in fields(usual)}
    if values["epochs"] is not None:
        own = replace(usual, steps=None, epochs=values["epochs"], batch=values["batch"])
        if resolved(own, note["data"]["studies"]["train"]).steps == values["steps"]:
            values["steps"] = None
    wanted = replace(usual, refine_steps=second_phase(usual, values["steps"]))
    other = {name for name, value in values.items() if value != getattr(wanted, name)}
    if values["steps"] is None:
        other -= {"steps"}
    elif "epochs" in other:
        other |= {"steps"}  # else the epochs would stand in their place
    return values, other


def _usual(folder: TrainingFolder) -> Usual:
    """What the folder began with; the preset's own where its start is gone."""
    try:
        return usual(folder.preset.name, folder.init)
    except InputError:
        return usual(folder.preset.name, None)


def _of_the_model(folder: TrainingFolder, begun: Usual) -> list[str]:
    """model.KEY=VALUE of what the model has and its start has not."""
    own, lower_case = folder.preset.diffusion, folder.preset.tokenizers.lower_case
    told = [
        f"model.{f.name}={as_text(getattr(own, f.name))}"
        for f in fields(DiffusionConfig)
        if getattr(own, f.name) != getattr(begun.diffusion, f.name)
    ]
    if lower_case != begun.lower_case:
        told.append(f"model.lower_case={as_text(lower_case)}")
    return told
