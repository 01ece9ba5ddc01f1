"""Several outputs in turn: each is a prompt for those after it, as if the user had asked twice."""

import warnings
from typing import Any

import pytest
import torch

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.conditioning import with_made
from codixr.model.familiarity import OutsideTrainingWarning
from codixr.model.pipeline import CoDiXRPipeline

F, L, T = Modality.F, Modality.L, Modality.T
TEXT = {"T": "large left pleural effusion."}
CALL: dict[str, Any] = {"seed": 3, "num_inference_steps": 2, "output_type": "pt"}
TURN: dict[str, Any] = CALL | {"joint": "in-turn"}


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool((a - b).abs().max() < 1e-4)


def test_two_outputs_in_turn_are_two_calls_of_one_output(pipe: CoDiXRPipeline) -> None:
    both = pipe(TEXT, "F+L", num_images=2, **TURN).images
    front = pipe(TEXT, "F", num_images=2, **CALL).images[F]
    told = {"T": [TEXT["T"]] * 2, "F": list(front)}
    side = pipe(told, "L", weights={"T": 2, "F": 1}, **CALL).images[L]
    assert torch.equal(both[F], front)
    assert close(both[L], side)
    assert not close(both[L], pipe(TEXT, "L", num_images=2, **CALL).images[L])


def test_a_report_comes_last_and_has_seen_both_views(pipe: CoDiXRPipeline) -> None:
    made = pipe({}, "T+L+F", num_images=2, **TURN)
    views = {str(m): list(made.images[m]) for m in (F, L)}
    assert made.reports == pipe(views, "T", **CALL).reports
    assert torch.equal(made.images[F], pipe({}, "F", num_images=2, **CALL).images[F])


def test_a_sample_in_turn_is_its_own_whatever_the_batch(pipe: CoDiXRPipeline) -> None:
    all_at_once = pipe(TEXT, "F+L", num_images=3, **TURN).images
    one_by_one = pipe(TEXT, "F+L", num_images=3, batch_size=1, **TURN).images
    assert close(all_at_once[F], one_by_one[F])
    assert close(all_at_once[L], one_by_one[L])


def test_what_was_made_weighs_as_an_input_does_and_half_of_that_beside_a_report(
    pipe: CoDiXRPipeline,
) -> None:
    side = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
    made = pipe({"L": side}, "F+T", weights={"L": 5}, **TURN)
    told = {"L": side, "F": made.images[F]}
    assert made.reports == pipe(told, "T", weights={"L": 1, "F": 1}, **CALL).reports
    weights = {"T": 3.0, "L": 1.0}
    assert with_made(weights, [L, T, F], frozenset({F})) == {**weights, F: 1.0}
    assert with_made(None, [T, F], frozenset({F})) == {T: 1.0, F: 0.5}
    assert with_made(None, [L, F], frozenset({F})) == {L: 1.0, F: 1.0}
    assert with_made(None, [F, L], frozenset({F, L})) is None
    assert with_made(weights, [L, T], frozenset()) is weights


def test_vectors_of_a_prompt_stand_beside_what_was_made(pipe: CoDiXRPipeline) -> None:
    vectors, _ = pipe.encode_prompts([{T: TEXT["T"]}])
    ours = pipe(None, "F+L", prompt_embeds=vectors, **TURN).images
    theirs = pipe(TEXT, "F+L", **TURN).images
    assert close(ours[F], theirs[F])
    assert close(ours[L], theirs[L])


def test_each_output_may_begin_from_noise_or_a_picture_of_the_user(pipe: CoDiXRPipeline) -> None:
    noise = {m: torch.randn(1, 12, 8, 8, generator=torch.Generator().manual_seed(9)) for m in "FL"}
    both = pipe(TEXT, "F+L", latents=noise, **TURN).images
    assert torch.equal(both[F], pipe(TEXT, "F", latents=noise["F"], **CALL).images[F])
    pictures = {m: torch.full((1, 64, 64), 0.5) for m in "FL"}
    edited = pipe(TEXT, "F+L", image=pictures, strength=0.5, **TURN).images
    assert torch.equal(
        edited[F], pipe(TEXT, "F", image=pictures["F"], strength=0.5, **CALL).images[F]
    )


def test_steps_count_on_from_output_to_output(pipe: CoDiXRPipeline) -> None:
    seen: list[tuple[int, list[str]]] = []

    def after(_: object, index: int, __: object, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append((index, [str(m) for m in tensors["latents"]]))
        return tensors

    pipe(TEXT, "F+L", callback_on_step_end=after, **TURN)
    assert seen == [(0, ["F"]), (1, ["F"]), (2, ["L"]), (3, ["L"])]
    assert pipe.num_timesteps == 4
    seen.clear()
    pipe(TEXT, "F+L", callback_on_step_end=after, **(CALL | {"joint": "together"}))
    assert seen == [(0, ["F", "L"]), (1, ["F", "L"])]


def test_an_interrupted_call_makes_no_more_steps(pipe: CoDiXRPipeline) -> None:
    seen: list[int] = []

    def after(own: Any, index: int, _: object, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append(index)
        own._interrupt = True
        return tensors

    made = pipe(TEXT, "F+L", callback_on_step_end=after, **TURN)
    assert seen == [0]
    assert list(made.images) == [F]
    with pytest.raises(KeyError, match="there are images"):
        made.images[L]
    made = pipe({}, "F+T", callback_on_step_end=after, **TURN)
    assert made.reports is None


def test_nobody_is_warned_of_the_model_s_own_pictures() -> None:
    pipe = CoDiXRPipeline.from_pretrained()
    pipe.set_progress_bar_config(disable=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutsideTrainingWarning)
        pipe({}, "F+L", num_images=40, seed=0, joint="in-turn", num_inference_steps=1)


def test_the_preset_says_how_and_a_call_may_say_otherwise(pipe: CoDiXRPipeline) -> None:
    assert pipe.preset.diffusion.joint == "in-turn"
    usual = pipe(TEXT, "F+L", **CALL).images
    assert torch.equal(usual[L], pipe(TEXT, "F+L", **TURN).images[L])
    together = pipe(TEXT, "F+L", **(CALL | {"joint": "together"})).images
    assert not close(usual[L], together[L])
    # Whom an output attends to is a matter of outputs made together.
    attending = pipe(TEXT, "F+L", **(CALL | {"attend_to": "others"})).images
    assert torch.equal(together[L], attending[L])


def test_contradictions_are_refused(pipe: CoDiXRPipeline) -> None:
    with pytest.raises(InputError, match="joint 'alone': 'together' or 'in-turn'"):
        pipe(TEXT, "F+L", **(CALL | {"joint": "alone"}))
    with pytest.raises(InputError, match="attend_to is for outputs made together"):
        pipe(TEXT, "F+L", attend_to="own", **TURN)
