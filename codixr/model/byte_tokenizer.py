"""A tokenizer learnt from reports that loses nothing: byte-level BPE, as GPT-2's."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codixr.model.tokenizer import BOS, EOS, PAD

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

VOCABULARY = 8192
"""Tokens at most: 256 bytes, three ends, and the commonest pieces of the reports."""


def byte_tokenizer(texts: Iterable[str], vocab_size: int = VOCABULARY) -> "PreTrainedTokenizerBase":
    """Byte-level BPE (Radford et al., 2019) over ``texts``: pieces that stand there twice or more.

    Any text is read and written again to the letter, whatever its script: what is rare becomes
    bytes. The same texts in the same order give the same tokens.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.post_processor = TemplateProcessing(
        single=f"{BOS} $A {EOS}", special_tokens=[(BOS, 1), (EOS, 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        clean_up_tokenization_spaces=False,
    )
