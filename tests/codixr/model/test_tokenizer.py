"""The prompts' tokenizer: it knows whole words, and cuts up the others without losing one."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codixr.data.openi import OpenIDataset
from codixr.data.phantom.wording import sample_meaning, word
from codixr.model.presets import tiny, with_prompt_tokens
from codixr.model.tokenizer import DE_IDENTIFIED, encode, piece_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    rng = np.random.default_rng(0)
    return piece_tokenizer(word(sample_meaning(rng), rng, 0.0).text for _ in range(6000))


def test_a_known_word_is_one_token(tokenizer):
    assert tokenizer.tokenize("Small LEFT pleural effusion.") == [
        "small", "left", "pleural", "effusion", ".",
    ]  # fmt: skip


def test_an_unknown_word_becomes_pieces(tokenizer):
    pieces = tokenizer.tokenize("zygomycosis")
    assert len(pieces) > 1
    assert "".join(piece.removeprefix("##") for piece in pieces) == "zygomycosis"


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_no_ascii_word_is_lost(tokenizer, text):
    pieces = tokenizer.tokenize(text)
    assert tokenizer.unk_token not in pieces
    joined = "".join(piece if piece == "##" else piece.removeprefix("##") for piece in pieces)
    assert joined == "".join(re.sub(DE_IDENTIFIED, " ", text.lower()).split())


def test_what_stands_for_a_name_is_no_word(tokenizer):
    assert tokenizer.tokenize("XXXX effusion, ___ left") == ["effusion", ",", "left"]


def test_the_tower_reads_99_percent_of_real_impressions_whole(tokenizer):
    data = OpenIDataset()
    reports = [data[i].report for i in range(len(data))]
    lengths = np.array([len(ids) for ids in tokenizer(reports)["input_ids"]])
    limit = with_prompt_tokens(tiny(80), 1000).prompt.max_tokens
    assert np.mean(lengths <= limit) >= 0.99
    assert np.mean(lengths <= 77) >= 0.97  # 60 words or so; rare words come in pieces


def test_it_survives_its_folder(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    texts = ["Possible RLL pna; b/l effusions.", "", "naïve 3.5 cm"]
    assert again(texts)["input_ids"] == tokenizer(texts)["input_ids"]
    assert encode(again, texts, 77)[0].tolist() == encode(tokenizer, texts, 77)[0].tolist()
