"""The tokenizer of word pieces is the same whoever makes it."""

import hashlib
import subprocess
import sys

from codixr.model.tokenizer import piece_tokenizer
from codixr.training.prompt_wording import words_of


def digest() -> str:
    vocabulary = sorted(piece_tokenizer(words_of(300, 0)).get_vocab().items())
    return hashlib.sha256(repr(vocabulary).encode()).hexdigest()


def test_another_process_learns_the_same_pieces() -> None:
    """A run that was killed, and the processes of one run, each learn the pieces anew."""
    code = (
        "import importlib.util as u; s = u.spec_from_file_location('t', "
        f"{__file__!r}); m = u.module_from_spec(s); s.loader.exec_module(m); print(m.digest())"
    )
    for _ in range(2):
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert found.stdout.strip() == digest(), found.stderr[-500:]
