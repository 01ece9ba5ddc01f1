"""Guidance between two noises only: held to what a callback does step by step."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codixr.commands.generate import parse_interval
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.components import load_preset, preset_from, save_preset
from codixr.model.configs import DiffusionConfig
from codixr.model.pipeline import CoDiXRPipeline
from codixr.training.folder import MODEL_FIELDS
from codixr.training.model_settings import model_values
from codixr.training.recipes import TINY
from codixr.training.settings import override, parse

F, L, T = Modality.F, Modality.L, Modality.T
CALL: dict[str, Any] = {"seed": 3, "num_inference_steps": 5, "output_type": "pt"}
TEXT = {"T": "small left pleural effusion."}


def made(pipe: CoDiXRPipeline, outputs: str = "F", **options: Any) -> torch.Tensor:
    images = pipe(TEXT, outputs, **(CALL | options)).images
    return torch.cat([images[m] for m in sorted(images)])


def with_diffusion(pipe: CoDiXRPipeline, **changes: Any) -> CoDiXRPipeline:
    own = replace(pipe.preset.diffusion, **changes)
    other = CoDiXRPipeline.__new__(CoDiXRPipeline)
    other.__dict__ = pipe.__dict__ | {"preset": replace(pipe.preset, diffusion=own)}
    return other


@pytest.mark.parametrize("joint", ["together", "in-turn"])
@pytest.mark.parametrize("interval", [(0.3, 0.7), (0.0, 0.5), (0.5, 1.0)])
def test_it_is_what_a_callback_does_step_by_step(
    pipe: CoDiXRPipeline, interval: tuple[float, float], joint: str
) -> None:
    times: list[float] = []

    def listen(own: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        times.append(float(timestep) / 1000)
        return {}

    call = {"outputs": "F+L", "joint": joint, "guidance_interval": (0, 1)}
    everywhere = made(pipe, guidance_scale=4.0, callback_on_step_end=listen, **call)
    scales = [4.0 if interval[0] <= t <= interval[1] else 1.0 for t in times]
    assert len(set(scales)) == 2

    def switch(own: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        own._guidance_scale = scales[(step + 1) % len(scales)]
        return {}

    by_hand = made(pipe, guidance_scale=scales[0], callback_on_step_end=switch, **call)
    ours = made(pipe, guidance_scale=4.0, **(call | {"guidance_interval": np.array(interval)}))
    assert torch.equal(ours, by_hand)
    assert (ours - everywhere).abs().max() > 1e-3


def test_the_whole_interval_is_guidance_everywhere_and_an_empty_one_is_none(
    pipe: CoDiXRPipeline,
) -> None:
    all_of_it = made(pipe, guidance_scale=4.0, guidance_interval=(0, 1))
    other = with_diffusion(pipe, guidance_interval=(0.0, 1.0))
    assert torch.equal(made(other, guidance_scale=4.0), all_of_it)
    none = made(pipe, guidance_scale=4.0, guidance_interval=(0, 0))
    assert torch.equal(none, made(pipe, guidance_scale=1.0))


def test_a_scale_of_0_hears_no_prompt_whatever_the_interval(pipe: CoDiXRPipeline) -> None:
    unheard = [
        pipe({"T": text}, "F", guidance_scale=0.0, guidance_interval=(0.3, 0.7), **CALL).images[F]
        for text in ("small left pleural effusion.", "the lungs are clear.")
    ]
    assert torch.equal(*unheard)


@pytest.mark.parametrize("joint", ["together", "in-turn"])
def test_reports_may_have_a_guidance_of_their_own_at_every_noise(
    pipe: CoDiXRPipeline, joint: str
) -> None:
    usual = {"guidance": 4.0, "guidance_interval": (0.3, 0.7)}
    own = with_diffusion(pipe, **usual, report_guidance=2.0)
    same = with_diffusion(pipe, **usual, report_guidance=None)
    call = {"seed": 3, "num_inference_steps": 4, "output_type": "latent"}
    picture = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
    given = {"L": picture}

    def report(pipe: CoDiXRPipeline, **options: Any) -> torch.Tensor:
        result = pipe(given, "T", **(call | options)).reports
        assert isinstance(result, torch.Tensor)
        return result

    told = report(own)
    assert own.guidance_scale == 2.0
    assert torch.equal(told, report(same, guidance_scale=2.0, guidance_interval=(0, 1)))
    assert not torch.equal(told, report(same))
    assert same.guidance_scale == 4.0
    # What is asked for holds for reports too; a scale alone leaves the interval.
    assert torch.equal(report(own, guidance_scale=2.0), told)
    whole = report(same, guidance_scale=3.0, guidance_interval=(0, 1))
    assert torch.equal(report(own, guidance_scale=3.0), whole)
    within = report(own, guidance_interval=(0.3, 0.7))
    assert torch.equal(within, report(same, guidance_scale=2.0))
    # Pictures hear nothing of it, alone or beside a report.
    made = [p(given, "F", **call).images[F] for p in (own, same)]
    assert torch.equal(*made)
    if joint == "in-turn":
        both = [p(given, "F+T", joint=joint, **call) for p in (own, same)]
        assert torch.equal(both[0].images[F], both[1].images[F])
        assert not torch.equal(both[0].reports, both[1].reports)
    else:
        alike = {"guidance": 4.0, "guidance_interval": (0.0, 1.0)}
        each = [with_diffusion(pipe, **alike, report_guidance=g) for g in (4.0, None)]
        both = [p(given, "F+T", joint=joint, **call) for p in each]
        assert torch.equal(both[0].reports, both[1].reports)
        assert not torch.equal(own(given, "F+T", joint=joint, **call).reports, both[0].reports)


def test_laterals_may_have_a_guidance_of_their_own_in_the_same_interval(
    pipe: CoDiXRPipeline,
) -> None:
    usual = {"guidance": 4.0, "guidance_interval": (0.3, 0.7)}
    own = with_diffusion(pipe, **usual, lateral_guidance=2.0)
    same = with_diffusion(pipe, **usual, lateral_guidance=None)
    call = {"seed": 3, "num_inference_steps": 4, "output_type": "latent"}
    given = {"T": "large left pleural effusion."}

    def made(pipe: CoDiXRPipeline, view: Modality, **options: Any) -> torch.Tensor:
        return pipe(given, str(view), **(call | options)).images[view]

    assert torch.equal(made(own, L), made(same, L, guidance_scale=2.0))
    assert not torch.equal(made(own, L), made(same, L))
    assert torch.equal(made(own, F), made(same, F))
    # What is asked for holds for laterals too.
    assert torch.equal(made(own, L, guidance_scale=3.0), made(same, L, guidance_scale=3.0))
    plain = asdict(pipe.preset)
    del plain["diffusion"]["lateral_guidance"]
    diffusion = preset_from(plain).diffusion
    assert diffusion.guidance_of(L) == diffusion.guidance_of(F)


def test_an_index_from_before_gives_reports_the_pictures_guidance(pipe: CoDiXRPipeline) -> None:
    plain = asdict(pipe.preset)
    del plain["diffusion"]["report_guidance"]
    diffusion = preset_from(plain).diffusion
    assert diffusion.guidance_of(T) == diffusion.guidance_of(F)


@pytest.mark.parametrize("damaged", ["much", -1.0, float("nan"), True, [2.5]])
@pytest.mark.parametrize("name", ["report_guidance", "lateral_guidance"])
def test_a_damaged_guidance_is_named(pipe: CoDiXRPipeline, name: str, damaged: Any) -> None:
    plain = asdict(pipe.preset)
    plain["diffusion"][name] = damaged
    with pytest.raises(InputError, match=name):
        preset_from(plain)


WRONG = [(0.8, 0.2), (-0.1, 0.5), (0.2, 1.2), (0.5,), "0.2,0.8", 0.5, (True, 1), (0.2, None)]


@pytest.mark.parametrize("value", [*WRONG, (0.2, float("nan"))], ids=str)
def test_what_is_no_interval_is_refused(pipe: CoDiXRPipeline, value: Any) -> None:
    with pytest.raises(InputError, match=r"guidance_interval .*: give"):
        made(pipe, guidance_interval=value)
    with pytest.raises(InputError, match=r"guidance_interval .*: give"):
        DiffusionConfig(guidance_interval=value)


def test_it_stands_in_the_index_and_an_index_from_before_has_all_of_it(
    pipe: CoDiXRPipeline,
) -> None:
    own = replace(pipe.preset.diffusion, guidance_interval=(0.2, 0.8))
    plain = asdict(replace(pipe.preset, diffusion=own))
    plain["diffusion"]["guidance_interval"] = [0.2, 0.8]  # as JSON has it
    assert preset_from(plain).diffusion.guidance_interval == (0.2, 0.8)
    del plain["diffusion"]["guidance_interval"]
    assert preset_from(plain).diffusion.guidance_interval == (0.0, 1.0)


def test_training_takes_it_by_set() -> None:
    kind = tuple[float, float]
    assert parse("guidance_interval", "0.2,0.8", kind) == (0.2, 0.8)
    with pytest.raises(InputError, match=r"guidance_interval=0.2: give 2 numbers"):
        parse("guidance_interval", "0.2", kind)
    with pytest.raises(InputError, match="interval=low,high: give 2 numbers"):
        parse("guidance_interval", "low,high", kind)
    for share in ("low_noise", "drop", "warmup"):
        with pytest.raises(InputError, match=f"--set {share}=2: give a number from 0 to 1$"):
            override(dict(TINY), {share: "2"}, MODEL_FIELDS)
    with pytest.raises(InputError, match=r"=0.8,0.2: .* give 0 to 1, the lower"):
        model_values({"guidance_interval": "0.8,0.2"}, DiffusionConfig())


@pytest.mark.parametrize("damaged", [0.5, None, "0.2,0.8", [0.8, 0.2], {"low": 0.1, "high": 0.8}])
def test_a_damaged_one_in_an_index_is_named(pipe: CoDiXRPipeline, damaged: Any) -> None:
    plain = asdict(pipe.preset)
    plain["diffusion"]["guidance_interval"] = damaged
    with pytest.raises(InputError, match=r"guidance_interval .*: give") as caught:
        preset_from(plain)
    assert str(damaged) in str(caught.value) or "(0.8, 0.2)" in str(caught.value)


def test_a_checkpoint_with_a_damaged_one_is_named(pipe: CoDiXRPipeline, tmp_path: Path) -> None:
    save_preset(pipe.preset, tmp_path)
    index = tmp_path / "model_index.json"
    plain = json.loads(index.read_text())
    plain["preset"]["diffusion"]["guidance_interval"] = [2, 3]
    index.write_text(json.dumps(plain))
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}: guidance_interval")):
        load_preset(tmp_path)


def test_generates_option_is_two_noises() -> None:
    assert parse_interval("0.2,0.8") == (0.2, 0.8)
    assert parse_interval(None) is None
    for wrong in ("0.2", "0.8,0.2", "0,nan", "low,high", "0.1,0.2,0.3", "-1,1"):
        with pytest.raises(InputError, match=f"--guidance-interval '{wrong}' is not LOW,HIGH"):
            parse_interval(wrong)
