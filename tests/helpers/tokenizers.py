"""Tokenizers that no release has, for what tests ask of them."""

from collections.abc import Sequence

from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from codixr.model.tokenizer import BOS, EOS, PAD, SPECIAL, UNKNOWN


def cased_tokenizer(reports: Sequence[str]) -> PreTrainedTokenizerFast:
    """Every word of ``reports`` as it is written: "Left" and "left" are two, as in BERT-cased."""
    splitter = pre_tokenizers.Whitespace()
    words = {word for text in reports for word, _ in splitter.pre_tokenize_str(text)}
    core = Tokenizer(
        models.WordLevel(
            {word: i for i, word in enumerate((*SPECIAL, *sorted(words)))}, unk_token=UNKNOWN
        )
    )
    core.pre_tokenizer = splitter
    core.post_processor = TemplateProcessing(
        single=f"{BOS} $A {EOS}", special_tokens=[(BOS, 1), (EOS, 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, bos_token=BOS, eos_token=EOS, unk_token=UNKNOWN
    )
