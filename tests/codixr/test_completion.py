"""What a shell offers, asked of bash itself."""

import shutil
import subprocess
import sys

import pytest

from codixr.completion import SHELLS


def script(package: str, shell: str) -> str:
    command = [sys.executable, "-m", package, "--print-completion", shell]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def offered(package: str, *words: str) -> list[str]:
    """What bash offers for the last of ``words``."""
    function = f"_shtab_{package}"
    line = " ".join(f"'{word}'" for word in words)
    ask = (
        f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; {function}; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    bash = ["bash", "-c", script(package, "bash") + "\n" + ask]
    return subprocess.run(bash, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("package", "words", "expected"),
    [
        ("codixr_bench", ["codixr-bench", "comp"], "compare"),
        ("codixr_bench", ["codixr-bench", "run", "--lim"], "--limit"),
        ("codixr_bench", ["codixr-bench", "run", "--model", "retr"], "retrieval"),
        ("codixr_bench", ["codixr-bench", "metrics", "--track", "phantom-"], "phantom-256"),
        ("codixr", ["codixr", "gen"], "generate"),
        ("codixr", ["codixr", "info", "--preset", "pa"], "paper"),
    ],
)
def test_bash_completes_commands_options_and_names(package, words, expected):
    assert offered(package, *words) == [expected]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script_with_every_command(shell):
    found = script("codixr", shell)
    assert all(name in found for name in ("generate", "prepare", "mimic-cxr", "convert"))


def test_a_shell_that_is_not_known_is_bad_input():
    command = [sys.executable, "-m", "codixr_bench", "--print-completion", "fish"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'fish' is none of bash, zsh, tcsh" in done.stderr
