"""Other projects' report models in place of a checkpoint's: Optimus's file, GPT-2's folder."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from codixr.errors import InputError
from codixr.model.pipeline import CoDiXRPipeline
from codixr.model.report_vae import ReportVAE
from codixr.model.tokenizer import word_tokenizer

WORDS = ["clear", "effusion", "large", "lungs", "no", "the"]
BERT_WORDS = len(WORDS) + 4
"""With the four marks of ``word_tokenizer``."""


def gpt2_tokenizer(folder: Path) -> None:
    """As GPT-2's own: words alone, one token that begins, ends and is unknown, no padding."""
    vocabulary = {word: i for i, word in enumerate([*WORDS, "<|endoftext|>"])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<|endoftext|>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    end = "<|endoftext|>"
    PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=end, eos_token=end, unk_token=end
    ).save_pretrained(folder)


class Optimus(nn.Module):
    """Its modules under its names: a map beside BERT's, two beside GPT-2's, heads 64 wide."""

    def __init__(self) -> None:
        super().__init__()
        sizes: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 2}
        bert = BertConfig(vocab_size=BERT_WORDS, hidden_size=128, intermediate_size=96, **sizes)
        gpt2 = GPT2Config(vocab_size=10, n_embd=192, n_layer=3, n_head=3, n_positions=90)
        self.encoder, self.decoder = BertModel(bert), GPT2LMHeadModel(gpt2)
        self.encoder.linear = nn.Linear(128, 2 * 128, bias=False)
        self.decoder.transformer.linear = nn.Linear(128, 3 * 192, bias=False)
        self.decoder.transformer.linear_emb = nn.Linear(128, 192, bias=False)
        for h in self.decoder.transformer.h:
            h.attn.register_buffer("bias", torch.ones(1, 1, 90, 90).tril())
        for weight in self.parameters():
            nn.init.normal_(weight, std=0.1)

    def mean(self, ids: Tensor) -> Tensor:
        pooled = self.encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).pooler_output
        return self.encoder.linear(pooled).chunk(2, 1)[0]


@pytest.fixture(scope="module")
def optimus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Optimus, dict[str, Path]]:
    """A checkpoint as Optimus's training writes it, and both of its vocabularies."""
    torch.manual_seed(3)
    folder, model = tmp_path_factory.mktemp("optimus"), Optimus().eval()
    full = {
        "iter": 7,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 5e-5}]},
        "beta": 0.5,
        "args": argparse.Namespace(latent_size=128, device=torch.device("cpu")),
    }
    torch.save(full, folder / "training.bin")
    word_tokenizer([" ".join(WORDS)]).save_pretrained(folder / "bert")
    gpt2_tokenizer(folder / "gpt2")
    return model, {
        "report_vae": folder / "training.bin",
        "report_encoder_tokenizer": folder / "bert",
        "report_decoder_tokenizer": folder / "gpt2",
    }


@torch.no_grad()
def test_optimus_at_its_own_width_computes_the_same_here(
    checkpoint: Path, optimus: tuple[Optimus, dict[str, Path]], tmp_path: Path
) -> None:
    theirs, places = optimus
    pipe = CoDiXRPipeline.from_pretrained(checkpoint, components=places)
    ours, config = pipe.report_vae, pipe.preset.report_vae
    assert (config.gpt2["n_layer"], config.gpt2["n_head"], config.bert["num_attention_heads"]) == (
        (3, 3, 2)
    )
    assert [config.gpt2[f"{end}_token_id"] for end in ("pad", "bos", "eos")] == [7, 8, 9]
    assert not config.sinusoidal_start  # its positions are learnt
    ids = torch.tensor([[1, 7, 4, 2], [1, 5, 6, 2]])
    torch.testing.assert_close(ours.posterior(ids, torch.ones_like(ids))[0], theirs.mean(ids))
    words = torch.tensor([[8, 0, 3], [8, 2, 1]])
    latent = torch.randn(2, 128)
    reference = ReportVAE(config).eval()  # its own arithmetic is held to the source's elsewhere
    reference.decoder.load_state_dict(
        {k: v for k, v in theirs.decoder.state_dict().items() if "linear" not in k}, strict=False
    )
    reference.to_memory.weight.copy_(theirs.decoder.transformer.linear.weight)
    reference.to_embedding.weight.copy_(theirs.decoder.transformer.linear_emb.weight)
    torch.testing.assert_close(ours.logits(latent, words), reference.logits(latent, words))
    result = pipe({}, "T", seed=0, num_inference_steps=2)
    assert set(result.reports[0].split()) <= {*WORDS, "<|endoftext|>"}
    pipe.save_pretrained(tmp_path / "mixed")
    again = CoDiXRPipeline.from_pretrained(tmp_path / "mixed")
    assert again({}, "T", seed=0, num_inference_steps=2).reports == result.reports


def test_optimus_without_its_vocabularies_or_of_another_latent_is_refused(
    checkpoint: Path, optimus: tuple[Optimus, dict[str, Path]], tmp_path: Path
) -> None:
    theirs, places = optimus
    load = CoDiXRPipeline.from_pretrained
    with pytest.raises(InputError, match="give report_encoder_tokenizer and report_decoder_tok"):
        load(checkpoint, components={"report_vae": places["report_vae"]})
    state = theirs.state_dict()
    narrow = {**state, "encoder.linear.weight": torch.zeros(64, 128)}
    torch.save(narrow, tmp_path / "narrow.bin")
    with pytest.raises(InputError, match="latent's width would be 32, the denoisers take 128"):
        load(checkpoint, components=places | {"report_vae": tmp_path / "narrow.bin"})
    less = {k: v for k, v in state.items() if not k.endswith("layer.1.output.dense.bias")}
    torch.save(less, tmp_path / "less.bin")
    with pytest.raises(InputError, match=r"1 of .* weights are missing"):
        load(checkpoint, components=places | {"report_vae": tmp_path / "less.bin"})
    torch.save({"x": torch.zeros(2)}, tmp_path / "other.bin")
    with pytest.raises(InputError, match="does not hold Optimus"):
        load(checkpoint, components=places | {"report_vae": tmp_path / "other.bin"})
    with pytest.raises(InputError, match="no such file"):
        load(checkpoint, components=places | {"report_vae": tmp_path / "nowhere.bin"})


@pytest.fixture
def gpt2(tmp_path: Path) -> tuple[GPT2LMHeadModel, Path]:
    torch.manual_seed(4)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=7, n_embd=96, n_layer=2, n_head=4)).eval()
    model.save_pretrained(tmp_path / "gpt2")
    gpt2_tokenizer(tmp_path / "gpt2")
    return model, tmp_path / "gpt2"


@torch.no_grad()
def test_a_plain_gpt_2_folder_becomes_the_decoder_and_the_rest_stays(
    checkpoint: Path, pipe: CoDiXRPipeline, gpt2: tuple[GPT2LMHeadModel, Path], tmp_path: Path
) -> None:
    theirs, folder = gpt2
    mixed = CoDiXRPipeline.from_pretrained(checkpoint, components={"report_vae": folder})
    ours = mixed.report_vae
    ids = torch.tensor([[0, 3, 1, 2]])
    logits = ours.decoder(ids).logits
    torch.testing.assert_close(logits[..., :7], theirs(ids).logits)
    mean = theirs(ids).logits.mean(-1, keepdim=True).expand(-1, -1, 3)
    torch.testing.assert_close(logits[..., 7:], mean)  # pad, begin and end: an average word
    pairs = zip(ours.encoder.parameters(), pipe.report_vae.encoder.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    tokenizer = mixed.tokenizers.report_decoder
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (7, 8, 9)
    assert len(mixed.tokenizers.report_encoder) == len(pipe.tokenizers.report_encoder)
    again = CoDiXRPipeline.from_pretrained(checkpoint, components={"report_vae": folder})
    assert torch.equal(ours.to_memory.weight, again.report_vae.to_memory.weight)
    report = mixed({}, "T", seed=0, num_inference_steps=2).reports
    mixed.save_pretrained(tmp_path / "mixed")
    saved = CoDiXRPipeline.from_pretrained(tmp_path / "mixed")
    assert saved({}, "T", seed=0, num_inference_steps=2).reports == report


def test_a_folder_of_something_else_is_no_report_model(checkpoint: Path, tmp_path: Path) -> None:
    BertModel(
        BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    ).save_pretrained(tmp_path / "bert")
    load = CoDiXRPipeline.from_pretrained
    with pytest.raises(InputError, match="is a bert; report_vae takes a folder of GPT-2"):
        load(checkpoint, components={"report_vae": tmp_path / "bert"})
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty cannot be read"):
        load(checkpoint, components={"report_vae": tmp_path / "empty"})
