"""What users of diffusers expect of a pipeline."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from huggingface_hub.utils import filter_repo_objects

from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model.pipeline import CoDiXRPipeline

F, L, T = Modality.F, Modality.L, Modality.T
TEXT = {"T": "the lungs are clear."}
CALL: dict[str, Any] = {"num_inference_steps": 2, "seed": 3, "output_type": "pt"}


@pytest.fixture(scope="module")
def saved(pipe: CoDiXRPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    pipe.save_pretrained(folder)
    return folder


def test_diffusers_opens_a_saved_folder_and_samples_the_same(
    pipe: CoDiXRPipeline, saved: Path
) -> None:
    assert not list(saved.rglob("*.py"))
    again = DiffusionPipeline.from_pretrained(saved)
    assert type(again) is CoDiXRPipeline
    ours, theirs = pipe(TEXT, "F+L", **CALL), again(TEXT, "F+L", **CALL)
    assert all(torch.equal(ours.images[m], theirs.images[m]) for m in (F, L))
    assert again.sha256 == CoDiXRPipeline.from_pretrained(saved).sha256 != ""


def test_diffusers_opens_a_folder_in_a_process_that_only_imported_codixr(saved: Path) -> None:
    """What was imported to write it is not there: a new process."""
    code = (
        "import codixr, sys; from diffusers import DiffusionPipeline; "
        "print(type(DiffusionPipeline.from_pretrained(sys.argv[1])).__name__)"
    )
    found = subprocess.run([sys.executable, "-c", code, saved], capture_output=True, text=True)
    assert found.stdout == "CoDiXRPipeline\n", found.stderr[-800:]


def test_diffusers_takes_what_it_needs_from_the_hub(
    pipe: CoDiXRPipeline, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a repository it asks for files by patterns of its own; here the hub is a folder."""
    files = [str(path.relative_to(saved)) for path in saved.rglob("*") if path.is_file()]
    place = "diffusers.pipelines.pipeline_utils."

    def snapshot(*_: Any, allow_patterns: list[str], ignore_patterns: list[str], **__: Any) -> str:
        chosen = filter_repo_objects(
            files, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
        )
        for name in chosen:
            (tmp_path / "snapshot" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(saved / name, tmp_path / "snapshot" / name)
        return str(tmp_path / "snapshot")

    siblings = [SimpleNamespace(rfilename=name) for name in files]
    monkeypatch.setattr(f"{place}model_info", lambda *_, **__: SimpleNamespace(siblings=siblings))
    monkeypatch.setattr(
        f"{place}hf_hub_download", lambda _, name, **__: shutil.copy(saved / name, tmp_path)
    )
    monkeypatch.setattr(f"{place}snapshot_download", snapshot)
    if hasattr(diffusers.pipelines.pipeline_utils, "_resolve_revision"):
        monkeypatch.setattr(f"{place}_resolve_revision", lambda *_, **__: "main")
    again = DiffusionPipeline.from_pretrained("somebody/model")
    ours, theirs = pipe(TEXT, "F", **CALL), again(TEXT, "F", **CALL)
    assert torch.equal(ours.images[F], theirs.images[F])


@pytest.mark.parametrize("order", ["codixr, diffusers", "diffusers, codixr"])
def test_the_name_is_there_once_codixr_is_imported_in_either_order(order: str) -> None:
    code = (
        f"import {order}, sys; assert 'codixr.model.pipeline' not in sys.modules; "
        "print(diffusers.CoDiXRPipeline.__name__)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "CoDiXRPipeline\n", found.stderr[-800:]


def test_codixr_alone_imports_neither_diffusers_nor_torch() -> None:
    code = "import codixr, sys; print({'torch', 'diffusers'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "set()\n", found.stderr[-800:]


def test_components_make_the_pipeline_again(pipe: CoDiXRPipeline) -> None:
    again = CoDiXRPipeline(**pipe.components)
    ours, theirs = pipe(TEXT, "F", **CALL), again(TEXT, "F", **CALL)
    assert torch.equal(ours.images[F], theirs.images[F])


def test_a_swapped_scheduler_is_saved_and_comes_back(checkpoint: Path, tmp_path: Path) -> None:
    pipe = CoDiXRPipeline.from_pretrained(checkpoint)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    pipe.save_pretrained(tmp_path / "swapped")
    ours = pipe(TEXT, "F", **CALL).images[F]
    for again in (
        CoDiXRPipeline.from_pretrained(tmp_path / "swapped"),
        DiffusionPipeline.from_pretrained(tmp_path / "swapped"),
    ):
        assert isinstance(again.scheduler, DDIMScheduler)
        assert again.scheduler.config.timestep_spacing == "trailing"
        assert torch.equal(again(TEXT, "F", **CALL).images[F], ours)


def test_a_scheduler_that_does_not_fit_is_refused_when_it_is_used(checkpoint: Path) -> None:
    pipe = CoDiXRPipeline.from_pretrained(checkpoint, scheduler="DDIM")
    assert isinstance(pipe.scheduler, DDIMScheduler)
    pipe.scheduler = DDIMScheduler()
    with pytest.raises(InputError, match="DDIMScheduler has beta_start"):
        pipe(TEXT, "F", **CALL)
    with pytest.raises(InputError, match="not for models that predict noise"):
        CoDiXRPipeline.from_pretrained(
            checkpoint, scheduler=diffusers.FlowMatchEulerDiscreteScheduler()
        )


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("bfloat16", torch.bfloat16),
        ("torch.bfloat16", torch.bfloat16),
        (torch.bfloat16, torch.bfloat16),
        ({"image_vae": "float32", "default": "bfloat16"}, torch.bfloat16),
    ],
)
def test_dtypes_are_given_as_diffusers_takes_them(
    checkpoint: Path, dtype: Any, expected: torch.dtype
) -> None:
    pipe = CoDiXRPipeline.from_pretrained(checkpoint, dtype=dtype)
    assert pipe.dtype is expected
    vae = next(pipe.image_vae.parameters()).dtype
    assert vae is (torch.float32 if isinstance(dtype, dict) else expected)
    assert np.isfinite(pipe(TEXT, "F", **CALL).images[F].float().numpy()).all()


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        ("float8", "dtype 'float8': one of float32"),
        (torch.int8, "give a torch dtype"),
        ({"vae": "float16"}, "'vae' is not a component"),
    ],
)
def test_a_dtype_that_weights_cannot_have_is_refused(
    checkpoint: Path, dtype: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        CoDiXRPipeline.from_pretrained(checkpoint, torch_dtype=dtype)


def test_a_variant_has_files_of_its_own(pipe: CoDiXRPipeline, saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    pipe.save_pretrained(folder)
    pipe.save_pretrained(folder, torch_dtype=torch.float16, variant="fp16")
    unet = folder / "denoiser_f"
    assert {p.name for p in unet.glob("*.safetensors")} == {
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.fp16.safetensors",
    }
    ours = pipe(TEXT, "F", **CALL).images[F]
    half = CoDiXRPipeline.from_pretrained(folder, variant="fp16")(TEXT, "F", **CALL).images[F]
    assert (half - ours).abs().max() < 0.02
    whole = DiffusionPipeline.from_pretrained(folder)(TEXT, "F", **CALL).images[F]
    assert torch.equal(whole, ours)
    with pytest.raises(InputError, match="no files of the variant 'fp16'"):
        CoDiXRPipeline.from_pretrained(saved, variant="fp16")


def test_a_callback_can_stop_and_can_change_the_guidance(pipe: CoDiXRPipeline) -> None:
    call = CALL | {"num_inference_steps": 4, "output_type": "latent", "guidance_interval": (0, 1)}
    seen: list[torch.Tensor] = []

    def stopping(own: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append(tensors["latents"][F])
        own._interrupt = step == 1
        return {}

    made = pipe(TEXT, "F", callback_on_step_end=stopping, **call).images[F]
    assert len(seen) == 2
    assert torch.equal(made, seen[-1])

    def unguided(own: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        own._guidance_scale = 1.0
        return {}

    plain = pipe(TEXT, "F", guidance_scale=1.0, **call).images[F]
    first_guided = pipe(TEXT, "F", guidance_scale=7.0, callback_on_step_end=unguided, **call)
    all_guided = pipe(TEXT, "F", guidance_scale=7.0, **call).images[F]
    assert (first_guided.images[F] - all_guided).abs().max() > 1e-3
    assert (first_guided.images[F] - plain).abs().max() > 1e-3
    from_plain = pipe(TEXT, "F", guidance_scale=1.0, callback_on_step_end=unguided, **call)
    assert torch.equal(from_plain.images[F], plain)


def test_latents_are_the_noise_to_begin_with(pipe: CoDiXRPipeline) -> None:
    noise = torch.randn(2, 12, 8, 8, generator=torch.Generator().manual_seed(0))
    one = pipe(TEXT, "F", latents=noise[:1], **CALL).images[F]
    two = pipe(TEXT, "F", num_images_per_prompt=2, latents={"F": noise}, **CALL).images[F]
    assert (two[:1] - one).abs().max() < 1e-4
    assert (two[1] - two[0]).abs().max() > 1e-3


def test_r_is_the_papers_name_of_a_report(pipe: CoDiXRPipeline) -> None:
    ours = pipe(TEXT, "F", **CALL).images[F]
    assert torch.equal(pipe({"R": TEXT["T"]}, "F", **CALL).images[F], ours)
    with pytest.raises(InputError, match="T and R both mean the report"):
        pipe({"T": "clear.", "R": "clear."}, "F", **CALL)


NAN = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"guidance_scale": NAN}, "guidance_scale nan: give a number from 0"),
        ({"guidance_scale": "high"}, "guidance_scale 'high': give a number"),
        ({"guidance_scale": -1}, "guidance_scale -1: give a number from 0"),
        ({"num_inference_steps": 2.5}, "num_inference_steps 2.5: give a whole number"),
        ({"num_inference_steps": True}, "num_inference_steps True: give a whole number"),
        ({"num_images": 0}, "num_images 0: give 1 or more"),
        ({"batch_size": "all"}, "batch_size 'all': give a whole number"),
        ({"eta": NAN}, "eta nan: give a number from 0 to 1"),
        ({"seed": 1.5}, "seed 1.5: give a whole number"),
        ({"seed": None, "generator": 7}, "generator: give a torch.Generator"),
        ({"output_type": "jpeg"}, "output_type 'jpeg': one of pil"),
        ({"attend_to": "all"}, "attend_to 'all': 'others' or 'own'"),
        ({"weights": [1, 2]}, "weights: give a mapping"),
        ({"weights": {"T": "much"}}, "weights"),
        ({"callback_on_step_end": 3}, "callback_on_step_end: give a function"),
        ({"latents": torch.zeros(1, 4, 8, 8)}, "latents of F: give a tensor"),
        ({"latents": torch.full((1, 12, 8, 8), NAN)}, "latents of F: they hold NaN"),
        ({"scheduler": 5}, "it has no steps to take"),
    ],
    ids=lambda x: "-".join(x) if isinstance(x, dict) else "",
)
def test_an_argument_of_a_wrong_kind_or_range_is_refused_in_words(
    pipe: CoDiXRPipeline, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pipe(TEXT, "F", **(CALL | change))


def test_inputs_that_are_not_a_mapping_are_refused(pipe: CoDiXRPipeline) -> None:
    with pytest.raises(InputError, match="inputs: give a mapping"):
        pipe("clear lungs", "F", **CALL)  # type: ignore[arg-type]
