"""Released weights as our folder: names, arithmetic, what is dropped, and what is refused."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertConfig, BertModel, CLIPConfig, CLIPModel

from codixr.cli import main
from codixr.errors import InputError
from codixr.modality import Modality
from codixr.model import components, presets
from codixr.model.convert import convert, take_component
from codixr.model.convert.source import Source
from codixr.model.pipeline import CoDiXRPipeline, Settings
from codixr.model.presets import Preset
from codixr.model.tokenizer import Tokenizers, word_tokenizer


def _reference() -> ModuleType:
    path = Path(__file__).with_name("codi_reference.py")
    spec = importlib.util.spec_from_file_location("codi_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


codi = _reference()
WORDS = [f"word{chr(97 + i)}{chr(97 + j)}" for i in range(8) for j in range(8)]


def small() -> Preset:
    """The paper's model, narrow: every layer is there."""
    full = presets.paper()
    tower = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": 32,
    }
    tokens = {"vocab_size": 68, "bos_token_id": 66, "eos_token_id": 67, "pad_token_id": 1}
    bert = {"vocab_size": 68, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    gpt2 = {"vocab_size": 68, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 80}
    return replace(
        full,
        image_size=64,
        latent_size=8,
        prompt=replace(
            full.prompt,
            embed_dim=32,
            text={**tower, **tokens, "max_position_embeddings": 77},
            vision={**tower, "image_size": 32, "patch_size": 8, "num_channels": 3},
        ),
        image_vae=replace(
            full.image_vae,
            autoencoder={
                **full.image_vae.autoencoder,
                "block_out_channels": [32, 64, 64, 64],
                "sample_size": 64,
            },
        ),
        image_unet={
            **full.image_unet,
            "block_out_channels": [64, 128, 128, 128],
            "cross_attention_dim": 32,
            "attention_head_dim": 4,
            "sample_size": 8,
        },
        image_environment=replace(
            full.image_environment, embed_dim=48, channels=32, channel_mult=(1, 2, 2), heads=4
        ),
        report_environment=replace(
            full.report_environment, embed_dim=48, channels=32, channel_mult=(1, 2, 2), heads=4
        ),
        report_unet=replace(
            full.report_unet,
            latent_dim=32,
            channels=64,
            channel_mult=(1, 2, 2, 2),
            heads=4,
            context_dim=32,
        ),
        report_vae=replace(
            full.report_vae,
            latent_dim=32,
            max_tokens=12,
            bert={**bert, "num_attention_heads": 4, "max_position_embeddings": 80},
            gpt2={**gpt2, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
        ),
    )


def image_unet(width: int = 64, **changes: Any) -> nn.Module:
    wide = width == 320
    options = {
        "mults": (1, 2, 4, 4) if wide else (1, 2, 2, 2),
        "attend": (True, True, True, False),
        "context": 768 if wide else 32,
        "env": 1280 if wide else 48,
        "v_mults": (1, 2, 4) if wide else (1, 2, 2),
        "heads": 8 if wide else 4,
        "flat": False,
        "video": True,
    }
    return codi.UNet(changes.pop("latent", 4), width, **(options | changes))


def report_unet(width: int = 64) -> nn.Module:
    return image_unet(width, latent=768 if width == 320 else 32, flat=True)


def with_weights(module: nn.Module) -> nn.Module:
    """Weights and biases everywhere: what starts at zero or one would hide a wrong name."""
    for weight in module.parameters():
        nn.init.normal_(weight, std=0.5 / max(1, weight[0].numel()) ** 0.5 if weight.ndim else 0.1)
    return module.eval()


class Decoder(nn.Module):
    """Optimus's GPT-2: a latent as one position before the words, and in their embeddings."""

    def __init__(self) -> None:
        super().__init__()
        d, names = 32, nn.Module()
        names.wte, names.wpe = nn.Embedding(68, d), nn.Embedding(80, d)
        names.linear = nn.Linear(d, 2 * d, bias=False)
        names.linear_emb = nn.Linear(d, d, bias=False)
        names.h = nn.ModuleList()
        for _ in range(2):
            h = nn.Module()
            h.ln_1, h.ln_2, h.attn, h.mlp = (
                nn.LayerNorm(d),
                nn.LayerNorm(d),
                nn.Module(),
                nn.Module(),
            )
            for place, name, a, b in (
                (h.attn, "c_attn", d, 3 * d),
                (h.attn, "c_proj", d, d),
                (h.mlp, "c_fc", d, 4 * d),
                (h.mlp, "c_proj", 4 * d, d),
            ):
                layer = nn.Module()
                layer.weight, layer.bias = (
                    nn.Parameter(torch.zeros(a, b)),
                    nn.Parameter(torch.zeros(b)),
                )
                setattr(place, name, layer)
            h.attn.register_buffer("bias", torch.ones(1, 1, 80, 80).tril())
            names.h.append(h)
        names.ln_f = nn.LayerNorm(d)
        self.transformer = names
        self.lm_head = nn.Linear(d, 68, bias=False)
        self.lm_head.weight = names.wte.weight

    def forward(self, latent: Tensor, ids: Tensor) -> Tensor:
        t, n = self.transformer, ids.shape[1]
        x = t.wte(ids) + t.wpe(torch.arange(1, n + 1)) + t.linear_emb(latent)[:, None]
        split = lambda y: y.unflatten(-1, (4, 8)).transpose(1, 2)  # noqa: E731
        for h, memory in zip(t.h, t.linear(latent).split(32, 1), strict=True):
            a = h.ln_1(x) @ h.attn.c_attn.weight + h.attn.c_attn.bias
            q, k, v = a.split(32, 2)
            k, v = (split(torch.cat([memory[:, None], y], 1)) for y in (k, v))
            scores = split(q) @ k.transpose(-1, -2) / 8**0.5
            seen = torch.ones(n, n + 1, dtype=torch.bool).tril(1)
            mixed = scores.masked_fill(~seen, -1e9).softmax(-1) @ v
            x = x + mixed.transpose(1, 2).flatten(2) @ h.attn.c_proj.weight + h.attn.c_proj.bias
            m = F.gelu(h.ln_2(x) @ h.mlp.c_fc.weight + h.mlp.c_fc.bias, approximate="tanh")
            x = x + m @ h.mlp.c_proj.weight + h.mlp.c_proj.bias
        return self.lm_head(t.ln_f(x))


class Released:
    """Randomly initialised modules, and their weights under the source's names."""

    def __init__(self, kind: str) -> None:
        torch.manual_seed(0)
        preset = small()
        text, vision = preset.prompt.text, preset.prompt.vision
        config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)
        self.clip = with_weights(CLIPModel(config))
        self.vae = with_weights(codi.VAE((32, 64, 64, 64)))
        self.bert = with_weights(BertModel(BertConfig(**preset.report_vae.bert)))
        self.posterior = with_weights(nn.Linear(32, 64, bias=False))
        self.decoder = with_weights(Decoder())
        views = ("image",) if kind == "codi" else ("frontal", "lateral")
        self.views = {view: with_weights(image_unet()) for view in views}
        self.report = with_weights(report_unet())
        named = {
            "clip.model.": self.clip,
            "autokl.": self.vae,
            "optimus.encoder.": self.bert,
            "optimus.encoder.linear.": self.posterior,
            "optimus.decoder.": self.decoder,
            "model.diffusion_model.unet_text.": self.report,
        }
        named |= {f"model.diffusion_model.unet_{v}.": unet for v, unet in self.views.items()}
        self.tensors = {p + n: t for p, m in named.items() for n, t in m.state_dict().items()}
        layer = "clip.model.vision_model.encoder.layers.0.temporal_self_attn.temporal_attn.to_q"
        self.tensors[f"{layer}.weight"] = torch.zeros(32, 32)
        self.tensors["clip.model.text_model.embeddings.position_ids"] = torch.arange(77)[None]
        self.tensors["clap.model.logit_scale_a"] = torch.zeros(())
        self.tensors["betas"] = torch.zeros(1000)

    def write(self, folder: Path) -> list[Path]:
        files: dict[str, dict[str, Tensor]] = {}
        for name, tensor in self.tensors.items():
            unet = name.removeprefix("model.diffusion_model.").split(".")[0]
            files.setdefault(unet if unet.startswith("unet_") else "encoders", {})[name] = tensor
        for name, tensors in files.items():
            torch.save(tensors, folder / f"{name}.pth")
        return [folder / f"{name}.pth" for name in files]


def tokenizers() -> Tokenizers:
    return Tokenizers.one_for_all(word_tokenizer([" ".join(WORDS)]))


@pytest.fixture(scope="module", params=["codi", "xgem"])
def converted(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path, Any]:
    folder = tmp_path_factory.mktemp(request.param)
    source = Released(request.param)
    target = folder / "out"
    record = convert(source.write(folder), target, preset=small(), tokenizers=tokenizers())
    return source, target, record


@torch.no_grad()
def test_every_module_computes_what_the_source_computes(converted: tuple[Any, Path, Any]) -> None:
    source, folder, _ = converted
    pipe = CoDiXRPipeline.from_pretrained(folder)
    near = lambda a, b: torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)  # noqa: E731
    torch.manual_seed(1)
    t = torch.tensor([3, 700])
    z, c, e = torch.randn(2, 4, 8, 8), torch.randn(2, 32), torch.randn(2, 48)
    views = list(source.views.values())
    for view, unet in ((Modality.F, views[0]), (Modality.L, views[-1])):
        ours = pipe.denoisers[view]
        near(ours(z, t, c), unet(z, t, c))
        near(ours(z, t, c, e), unet(z, t, c, e))
        assert (unet(z, t, c) - unet(z, t, c, e)).abs().max() > 1e-2
        near(ours.encode_environment(z, t), unet.vector(z, t))
    y, ours = torch.randn(2, 32), pipe.denoisers[Modality.T]
    near(ours(y, t, c), source.report(y, t, c))
    near(ours(y, t, c, e), source.report(y, t, c, e))
    near(ours.encode_environment(y, t), source.report.vector(y, t))
    images = torch.rand(2, 1, 64, 64)
    raw = source.vae.mean(images.expand(-1, 3, -1, -1) * 2 - 1)
    near(pipe.image_vae.encode(images), raw * 0.18215)
    near(pipe.image_vae.reconstruct(raw), (source.vae.decode(raw).mean(1, keepdim=True) + 1) / 2)
    ids = torch.randint(3, 66, (2, 7))
    mask = torch.ones_like(ids)
    pooled = source.bert(input_ids=ids, attention_mask=mask).pooler_output
    near(pipe.report_vae.encode(ids, mask), source.posterior(pooled).chunk(2, 1)[0] * 4.3108)
    near(pipe.report_vae.logits(y, ids), source.decoder(y, ids))
    ended = torch.cat([ids, torch.full((2, 1), 67)], 1)
    mask = torch.ones_like(ended)
    text = source.clip.text_model(input_ids=ended, attention_mask=mask).last_hidden_state[:, -1]
    near(
        pipe.prompt_encoder.encode_text(ended, mask), F.normalize(source.clip.text_projection(text))
    )
    pixels = torch.rand(2, 1, 32, 32)
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1)
        for v in (presets.paper().prompt.image_mean, presets.paper().prompt.image_std)
    )
    seen = source.clip.vision_model(pixel_values=(pixels - mean) / std).pooler_output
    near(pipe.prompt_encoder.encode_image(pixels), F.normalize(source.clip.visual_projection(seen)))


def test_the_folder_generates_and_the_record_names_what_was_left(
    converted: tuple[Any, Path, Any],
) -> None:
    source, folder, record = converted
    video = [n for n in source.tensors if "temporal" in n]
    assert sum(record.video_dropped.values()) == sum(source.tensors[n].numel() for n in video)
    assert set(record.unused) == {
        "audio",
        "masks and positions: computed",
        "noise schedule and scales: in the preset",
        "CLIP's temperature: for its training only",
        "GPT-2's head: the same as its embeddings",
    }
    assert json.loads((folder / "conversion.json").read_text())["kind"] == record.kind
    pipe = CoDiXRPipeline.from_pretrained(folder)
    prompt = {Modality.T: f"{WORDS[0]} {WORDS[5]}"}
    settings = Settings(num_inference_steps=2, attend_to="own")
    made = pipe.generate([prompt], [Modality.F, Modality.L], [0], settings)[0]
    assert made[Modality.F].shape == (1, 64, 64)


def test_a_missing_weight_an_occupied_folder_and_code_in_a_file_are_refused(tmp_path: Path) -> None:
    files = Released("codi").write(tmp_path)
    without = [path for path in files if path.stem != "unet_text"]
    target = tmp_path / "out"
    with pytest.raises(InputError, match=r"denoiser_t: .* are missing.*CoDi_text_diffuser.pth"):
        convert(without, target, preset=small(), tokenizers=tokenizers())
    assert not target.exists()
    with pytest.raises(InputError, match="give a new folder"):
        convert(files, tmp_path, preset=small(), tokenizers=tokenizers())
    torch.save({"x": Path("/")}, tmp_path / "code.pth")
    with pytest.raises(InputError, match="more than tensors"):
        convert([tmp_path / "code.pth"], target)
    (tmp_path / "cut.pth").write_bytes(files[0].read_bytes()[:5000])
    with pytest.raises(InputError, match=r"cut\.pth: cannot be read"):
        convert([tmp_path / "cut.pth"], target)


@torch.no_grad()
def test_a_release_without_environment_parts_makes_flows_that_do_not_hear_each_other() -> None:
    module = report_unet()
    prefix = "model.diffusion_model.unet_text."
    tensors = {prefix + n: t for n, t in module.state_dict().items() if "connecters" not in n}
    meta, weights = take_component(Source(tensors), "denoiser_t", small(), "codi")
    assert not all(p.is_meta for p in meta.parameters())
    ours = components.BUILDERS["denoiser_t"](small()).eval()
    ours.load_state_dict(weights)
    z, t, c = torch.randn(2, 32), torch.tensor([3, 700]), torch.randn(2, 32)
    torch.testing.assert_close(ours(z, t, c, torch.randn(2, 48)), module(z, t, c))
    some = {n: t for n, t in tensors.items() if "middle_block.1" not in n}
    with pytest.raises(InputError, match="are missing"):
        take_component(Source(some), "denoiser_t", small(), "codi")


def test_the_command_names_a_missing_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(tmp_path / "a.pth"), "--to", str(tmp_path / "b")]) == 2
    assert "a.pth: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(("component", "unet"), [("denoiser_f", "image"), ("denoiser_t", "text")])
def test_the_names_fit_at_full_width(component: str, unet: str) -> None:
    with torch.device("meta"):
        module = image_unet(320) if unet == "image" else report_unet(320)
    prefix = f"model.diffusion_model.unet_{unet}."
    source = Source({prefix + name: tensor for name, tensor in module.state_dict().items()})
    _, weights = take_component(source, component, presets.paper(), "codi")
    assert not source.unused()
    total = round(sum(w.numel() for w in weights.values()) / 1e6, 1)
    assert total == {"image": 1155.8, "text": 2048.4}[unet]
