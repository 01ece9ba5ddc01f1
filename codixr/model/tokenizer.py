"""Words to numbers: the word-level tokenizer of the embedded model.

A report's tokens are ``<bos> words <eos>``, padded on the right with ``<pad>`` (ids 1, 2 and 0).
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from codixr.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PAD, BOS, EOS, UNKNOWN = "<pad>", "<bos>", "<eos>", "<unk>"
SPECIAL = (PAD, BOS, EOS, UNKNOWN)


def word_tokenizer(reports: Iterable[str]) -> "PreTrainedTokenizerBase":
    """A tokenizer whose vocabulary is every word of ``reports``, lower-cased, in sorted order."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    splitter = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(r"[.,;:?!()]"), "isolated")]
    )
    words = {word for text in reports for word, _ in splitter.pre_tokenize_str(text.lower())}
    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *sorted(words)))}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = splitter
    core.post_processor = TemplateProcessing(
        single=f"{BOS} $A {EOS}", special_tokens=[(BOS, 1), (EOS, 2)]
    )
    core.decoder = decoders.WordPiece(cleanup=True)  # joins words, and glues "." and "," on
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, bos_token=BOS, eos_token=EOS, unk_token=UNKNOWN
    )


def encode(
    tokenizer: "PreTrainedTokenizerBase", reports: Sequence[str], max_tokens: int
) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both int64 [B, N] with N <= max_tokens.

    Raises InputError for a report whose every word is unknown: it would condition on nothing.
    """
    batch = tokenizer(
        list(reports),
        padding=True,
        truncation=True,
        max_length=max_tokens,
        return_tensors="pt",
    )
    ids, mask = batch["input_ids"], batch["attention_mask"]
    unknown = tokenizer.unk_token_id
    if unknown is not None:
        words = mask.sum(1) - 2
        lost = ((ids == unknown).sum(1) == words) & (words > 0)
        if lost.any():
            position = int(lost.nonzero()[0, 0])
            raise InputError(
                f"text {position} of the batch has no word that the checkpoint's vocabulary of "
                f"{len(tokenizer)} words knows; write it in radiology's English, or load a "
                "checkpoint that was trained on such text"
            )
    return ids, mask


def decode(tokenizer: "PreTrainedTokenizerBase", ids: Tensor) -> list[str]:
    """Reports from token ids [B, N]; everything from the first ``<eos>`` on is dropped."""
    eos = tokenizer.eos_token_id
    reports = []
    for row in ids.tolist():
        words = row[: row.index(eos)] if eos in row else row
        reports.append(tokenizer.decode(words, skip_special_tokens=True).strip())
    return reports
