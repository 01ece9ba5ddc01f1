"""Optimus and a vocabulary of GPT-2's kind, narrow and random, as their projects write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast


class Optimus(nn.Module):
    """Its modules under its names: a map beside BERT's, two beside GPT-2's, heads 64 wide."""

    def __init__(self, words: int, tokens: int, latent: int = 32) -> None:
        super().__init__()
        sizes: dict[str, Any] = {"num_hidden_layers": 1, "num_attention_heads": 1}
        bert = BertConfig(vocab_size=words, hidden_size=64, intermediate_size=96, **sizes)
        gpt2 = GPT2Config(vocab_size=tokens, n_embd=64, n_layer=1, n_head=1, n_positions=90)
        self.encoder, self.decoder = BertModel(bert), GPT2LMHeadModel(gpt2)
        self.encoder.linear = nn.Linear(64, 2 * latent, bias=False)
        self.decoder.transformer.linear = nn.Linear(latent, 64, bias=False)
        self.decoder.transformer.linear_emb = nn.Linear(latent, 64, bias=False)
        with torch.no_grad():
            for weight in self.parameters():
                nn.init.normal_(weight, std=0.1)


def gpt2_tokenizer(folder: Path, reports: Sequence[str]) -> int:
    """Words alone, one token that begins, ends and is unknown, no padding; returns their number."""
    splitter = pre_tokenizers.Whitespace()
    words = {word for text in reports for word, _ in splitter.pre_tokenize_str(text.lower())}
    end = "<|endoftext|>"
    core = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate([*sorted(words), end])}, unk_token=end)
    )
    core.normalizer, core.pre_tokenizer = normalizers.Lowercase(), splitter
    PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=end, eos_token=end, unk_token=end
    ).save_pretrained(folder)
    return len(words) + 1
