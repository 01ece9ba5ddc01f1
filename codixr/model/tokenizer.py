"""Words to numbers: the three tokenizers of a model, and the word-level one of the embedded model.

The paper's model has CLIP's for prompts, BERT's for the report encoder and GPT-2's for the report
decoder; ``tiny`` has one for all. Whatever the kind, a report's tokens are begin, words and end,
padded on the right: GPT-2's gets a template that says so (``with_ends``), and its folder keeps it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from codixr.atomic import write_atomically
from codixr.errors import InputError
from codixr.model.presets import TokenizerConfig
from codixr.model.unpictured import listed
from codixr.user_paths import is_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

PAD, BOS, EOS, UNKNOWN = "<pad>", "<bos>", "<eos>", "<unk>"
SPECIAL = (PAD, BOS, EOS, UNKNOWN)
DE_IDENTIFIED = r"_{2,}|\bx{3,}\b"
"""What collections of reports put for a name or a date: no word."""
CONTINUES = "##"
"""Begins a piece that is not a word's first."""


@dataclass(frozen=True)
class Tokenizers:
    """A model's tokenizers; equal folders give the same object."""

    prompt: "PreTrainedTokenizerBase"
    report_encoder: "PreTrainedTokenizerBase"
    report_decoder: "PreTrainedTokenizerBase"

    @classmethod
    def one_for_all(cls, tokenizer: "PreTrainedTokenizerBase") -> "Tokenizers":
        """The same tokenizer in the three places."""
        return cls(tokenizer, tokenizer, tokenizer)


def load_tokenizers(config: TokenizerConfig, folder: Path) -> Tokenizers:
    """The tokenizers in the sub-folders of ``folder`` that ``config`` names.

    Raises InputError when one is missing, damaged, or has no pad, begin or end token.
    """
    loaded = {name: _load(folder / name) for name in dict.fromkeys(config.folders())}
    return Tokenizers(*(loaded[name] for name in config.folders()))


def save_tokenizers(tokenizers: Tokenizers, config: TokenizerConfig, folder: Path) -> None:
    """Write each tokenizer to the sub-folder that ``config`` names."""
    each = (tokenizers.prompt, tokenizers.report_encoder, tokenizers.report_decoder)
    for name, tokenizer in dict(zip(config.folders(), each, strict=True)).items():
        tokenizer.save_pretrained(folder / name)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            _without_indents(folder / name / file)


def _without_indents(file: Path) -> None:
    """The same JSON in one line: two thirds of a small vocabulary's file are blanks."""
    if file.is_file():
        text = json.dumps(
            json.loads(file.read_text("utf-8")), ensure_ascii=False, separators=(",", ":")
        )
        write_atomically(file, text.encode())


def _load(folder: Path) -> "PreTrainedTokenizerBase":
    if not folder.is_dir():
        raise InputError(f"the checkpoint lacks {folder}: copy the whole folder")
    tokenizer = _load_any(folder)
    listed(tokenizer)
    begin, end = ends(tokenizer)
    if tokenizer.pad_token_id is None or begin is None or end is None:
        raise InputError(f"{folder}: the tokenizer lacks a pad, begin or end token")
    return tokenizer


def _load_any(folder: Path) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises whatever its reader stumbles on
        raise InputError(
            f"{folder} cannot be read as a tokenizer ({str(error)[:200]}); copy it again"
        ) from None


def load_other(place: str) -> "PreTrainedTokenizerBase":
    """A tokenizer from a folder, or by its name on the Hugging Face hub.

    Raises InputError when neither has it; offline it says how to bring it.
    """
    from transformers import AutoTokenizer

    if is_folder(place):
        return _load_any(Path(place))
    try:
        return AutoTokenizer.from_pretrained(place)
    except Exception as error:  # as in _load_any
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else "no answer"
        raise InputError(
            f"the tokenizer '{place}' is not a folder here, and the Hugging Face hub did not give "
            f"it ({reason}); run `hf download {place} --include '*.json' '*.txt' --local-dir DIR` "
            "on a machine that is online, and give that folder"
        ) from None


def ends(tokenizer: "PreTrainedTokenizerBase") -> tuple[int, int]:
    """The ids of the first and last token of a report: bos and eos, or BERT's [CLS] and [SEP]."""
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    return (
        tokenizer.cls_token_id if begin is None else begin,
        tokenizer.sep_token_id if end is None else end,
    )


def with_ends(
    tokenizer: "PreTrainedTokenizerBase", pad: str, bos: str, eos: str
) -> "PreTrainedTokenizerBase":
    """GPT-2's tokenizer as Optimus uses it: pad, bos and eos tokens of its own, put on by itself.

    The new tokens get the next free ids, in that order: 50257, 50258 and 50259.
    """
    from tokenizers.processors import TemplateProcessing

    tokenizer.add_tokens([pad, bos, eos], special_tokens=True)
    tokenizer.add_special_tokens({"pad_token": pad, "bos_token": bos, "eos_token": eos})
    tokenizer.padding_side = "right"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{bos} $A {eos}",
        special_tokens=[(t, tokenizer.convert_tokens_to_ids(t)) for t in (bos, eos)],
    )
    return tokenizer


def word_tokenizer(reports: Iterable[str]) -> "PreTrainedTokenizerBase":
    """A tokenizer whose vocabulary is every word of ``reports``, lower-cased, in sorted order."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    splitter = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(r"[.,;:?!()]"), "isolated")]
    )
    words = {word for text in reports for word, _ in splitter.pre_tokenize_str(text.lower())}
    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *sorted(words)))}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = splitter
    core.decoder = decoders.WordPiece(cleanup=True)  # joins words, and glues "." and "," on
    return _with_ends(core)


def piece_tokenizer(
    texts: Iterable[str], least: int = 2, pieces: int = 200
) -> "PreTrainedTokenizerBase":
    """A tokenizer that knows every word that ``texts`` have ``least`` times, and cuts up others.

    WordPiece over lower-case letters, digits and ASCII's signs: a word that is not in the
    vocabulary becomes pieces of known words, at worst letters, so that none is lost. ``pieces`` is
    the number of those pieces. A letter of another script is unknown.
    """
    from collections import Counter

    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.trainers import WordPieceTrainer

    normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(DE_IDENTIFIED), " "),
        ]
    )
    splitter = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(r"[^a-z0-9]"), "isolated")]
    )
    counts = Counter(
        word
        for text in texts
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
    )
    words = sorted(word for word, count in counts.items() if count >= least and word.isascii())
    signs = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    letters = [sign for sign in signs if sign.isalnum()]
    trainer = WordPieceTrainer(
        vocab_size=len(signs) + len(letters) + pieces,
        initial_alphabet=signs,
        continuing_subword_prefix=CONTINUES,
        # Which pieces are learnt depends on their order: a hash table's, unless it is given.
        special_tokens=[CONTINUES + letter for letter in letters],
        show_progress=False,
    )
    learner = Tokenizer(models.WordPiece({}, unk_token=UNKNOWN))
    learner.pre_tokenizer = splitter
    learner.train_from_iterator((word for word in words for _ in range(1)), trainer)
    learnt = [token for token in learner.get_vocab() if token.startswith(CONTINUES)]
    parts = {*signs, *(CONTINUES + letter for letter in letters), *learnt}
    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *sorted({*words, *parts})))}
    core = Tokenizer(
        models.WordPiece(vocabulary, unk_token=UNKNOWN, continuing_subword_prefix=CONTINUES)
    )
    core.normalizer, core.pre_tokenizer = normalizer, splitter
    core.decoder = decoders.WordPiece(prefix=CONTINUES, cleanup=True)
    return _with_ends(core)


def _with_ends(core: "Tokenizer") -> "PreTrainedTokenizerBase":
    """A tokenizer of transformers that puts both ends around a text; ``core`` has our marks."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    core.post_processor = TemplateProcessing(
        single=f"{BOS} $A {EOS}", special_tokens=[(BOS, 1), (EOS, 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        whole_words=True,  # kept in its folder: a word that is no token is one it does not know
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
    if unknown is not None and unknown not in ends(tokenizer):  # CLIP's unknown is its end
        words = mask.sum(1) - 2
        lost = (((ids == unknown) & (mask > 0)).sum(1) == words) & (words > 0)
        if lost.any():
            position = int(lost.nonzero()[0, 0])
            raise InputError(
                f"text {position} of the batch has no word that the checkpoint's vocabulary of "
                f"{len(tokenizer)} words knows; write it in radiology's English, or load a "
                "checkpoint that was trained on such text"
            )
    return ids, mask


def decode(tokenizer: "PreTrainedTokenizerBase", ids: Tensor) -> list[str]:
    """Reports from token ids [B, N]; everything from the first end token on is dropped."""
    _, eos = ends(tokenizer)
    reports = []
    for row in ids.tolist():
        words = row[: row.index(eos)] if eos in row else row
        reports.append(tokenizer.decode(words, skip_special_tokens=True).strip())
    return reports
