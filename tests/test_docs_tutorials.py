"""Every tutorial works as it is written, and shows what its commands print."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))


def module(name: str):
    found = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    loaded = importlib.util.module_from_spec(found)
    sys.modules[name] = loaded
    found.loader.exec_module(loaded)
    return loaded


walk = module("walk")
outputs = module("outputs")


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_works_as_it_is_written(page, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    steps = list(walk.walk(page, folder))
    found = [line for step in steps for line in outputs.differences(step.shown, step.printed)]
    assert not found, f"{page.name}: python docs/walk.py --write\n" + "\n".join(found)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_shows_something_and_leaves_nothing_unrun(page):
    text = page.read_text(encoding="utf-8")
    assert "<!-- printed -->" in text
    for language, body in re.findall(r"^```(\w+).*\n((?:.*\n)*?)```$", text, re.MULTILINE):
        if language in {"shell", "yaml", "csv", "python", "text"}:
            assert "codixr" not in body.split() or language != "shell"
        else:
            assert language == "bash"


def test_a_walk_finds_a_command_that_fails_and_an_output_that_changed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        '```csv title="a.csv"\nReport Impression\n"No edema."\n```\n'
        "```bash\ncodixr-bench label a.csv | sed -n 1p | cut -d, -f2\n```\n"
        "<!-- printed -->\n```text\nNo Finding\n```\n"
        "```bash\ncodixr-bench label absent.csv\n```\n"
    )
    folder = tmp_path / "here"
    folder.mkdir()
    steps = walk.walk(page, folder)
    first = next(steps)
    assert first.printed == "No Finding\n"
    assert page.read_text()[slice(*first.span)] == first.shown == "No Finding\n"
    with pytest.raises(RuntimeError, match=r"ends with 2(?s:.*)absent\.csv"):
        next(steps)
