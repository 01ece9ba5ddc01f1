"""What a release is made of agrees with itself; what runs it has no more rights than it needs."""

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import codixr_bench.cli

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_spec = importlib.util.spec_from_file_location("release_check", ROOT / ".github/release_check.py")
release_check = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(release_check)


def test_tag_package_citation_and_changelog_agree():
    assert release_check.problems(f"v{PROJECT['version']}") == []


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"', "has version 0.2.0"),
        ("CITATION.cff", "version: 0.1.0", "version: 0.0.9", "no version: 0.1.0"),
        ("CITATION.cff", "date-released: 2", "date-released: 1", "changelog's date"),
        ("CHANGELOG.md", "## [0.1.0] - 2", "## [0.1.0] - soon 2", "no '## [0.1.0] - DATE'"),
    ],
)
def test_what_does_not_agree_is_named(file, old, new, said, tmp_path):
    for name in ("pyproject.toml", "CITATION.cff", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new, 1))
    assert any(said in line for line in release_check.problems("v0.1.0", tmp_path))
    assert any("is no tag" in line for line in release_check.problems("0.1", tmp_path))


def test_the_citation_has_what_the_format_asks_for():
    content = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= set(content)
    assert content["license"] == PROJECT["license"]
    assert content["title"].startswith("codixr: ")
    for work in content["references"]:
        assert {"type", "title", "authors"} <= set(work)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_commits_and_rights_are_asked_for(path):
    text = path.read_text()
    used = re.findall(r"uses: (\S+)", text)
    for one in used:
        assert one.startswith("./") or re.search(r"@[0-9a-f]{40}$", one), one
    assert "permissions" in yaml.safe_load(text)


def test_only_the_job_that_publishes_may_sign_and_no_password_is_used():
    text = (ROOT / ".github/workflows/release.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    assert [name for name, job in jobs.items() if "permissions" in job] == ["publish"]
    assert jobs["publish"]["permissions"]["id-token"] == "write"
    assert jobs["publish"]["needs"] == "try"
    assert jobs["try"]["needs"] == "build"
    assert "secrets." not in text
    assert "password" not in text.split("jobs:")[1]


def stages() -> dict[str, list[str]]:
    """Stage -> its instructions."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("FROM "):
            found[line.split(" AS ")[1]] = []
        elif found and line and not line.startswith("#"):
            found[list(found)[-1]].append(line)
    return found


@pytest.mark.parametrize("stage", ["cpu", "cuda"])
def test_a_container_runs_the_main_job_as_a_user_without_rights(stage):
    lines = stages()[stage]
    assert "USER codixr" in lines
    assert lines.index("USER codixr") > max(i for i, x in enumerate(lines) if x.startswith("RUN"))
    entry, command = (
        shlex.split(next(x for x in lines if x.startswith(kind)).split(" ", 1)[1].strip("[]"))
        for kind in ("ENTRYPOINT", "CMD")
    )
    words = [word.rstrip(",") for word in (*entry, *command)]
    assert words[0] == "codixr-bench"
    _, parsed = codixr_bench.cli.parse(words[1:])
    assert (parsed.task, parsed.model, parsed.limit) == ("L+T->F", "codixr", 64)


def test_the_default_container_is_the_one_for_cpus():
    assert list(stages())[-1] == "cpu"
    assert any("whl/cpu" in line for line in stages()["cpu"])
    assert not any("whl/cpu" in line for line in stages()["cuda"])


def test_badges_say_what_the_package_says():
    readme = (ROOT / "README.md").read_text()
    badges = re.findall(r"img\.shields\.io/badge/([^)]+?)-[a-z]+\.?", readme)
    low = PROJECT["requires-python"].removeprefix(">=")
    assert badges == [f"python-%E2%89%A5{low}", "licence-Apache--2.0"]
    assert PROJECT["license"] == "Apache-2.0"


def test_what_a_repository_needs_is_there():
    for name in ("SECURITY.md", "CODE_OF_CONDUCT.md", "LICENSE", ".github/CODEOWNERS"):
        assert (ROOT / name).stat().st_size > 20, name
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    assert {one["package-ecosystem"] for one in updates} == {"github-actions", "pip", "docker"}


def test_the_script_of_the_workflow_runs():
    command = [sys.executable, str(ROOT / ".github/release_check.py"), f"v{PROJECT['version']}"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


KNOWN = {"pip", "python", "useradd", "install", "rm"}
"""What the images' base has: Debian's coreutils and passwd, Python's pip."""


def test_the_dockerfile_is_one_that_builds():
    """Without an engine: its instructions, its stages, its paths, its commands and its quoting."""
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert not any(line.endswith("\\") for line in lines)
    known = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"}
    assert {line.split()[0] for line in lines} == known
    named: set[str] = set()
    for line in lines:
        word, rest = line.split(" ", 1)
        words = shlex.split(rest)
        if word == "FROM":
            assert words[0] in named | {"python:${PYTHON}-slim"}
            named.add(words[2])
        elif word == "COPY" and words[0].startswith("--from="):
            assert words[0].removeprefix("--from=") in named
        elif word == "COPY":
            assert all((ROOT / source).exists() for source in words[:-1])
        elif word == "RUN":
            assert {shlex.split(part)[0] for part in rest.split(" && ")} <= KNOWN
            for option in re.findall(r"--constraint (\S+)", rest):
                assert f"COPY constraints.txt {option}" in lines
        elif word in ("ENTRYPOINT", "CMD"):
            assert all(isinstance(one, str) for one in json.loads(rest))
    left_out = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv", "runs"} <= set(left_out)
    assert not {"README.md", "LICENSE", "pyproject.toml", "docs", "data_manifests"} & set(left_out)


def test_the_classifiers_name_the_versions_that_are_tried():
    kinds = PROJECT["classifiers"]
    tried = (ROOT / ".github/workflows/tests.yml").read_text()
    for version in ("3.11", "3.12", "3.13", "3.14"):
        assert f"Programming Language :: Python :: {version}" in kinds
        assert f'"{version}"' in tried
    assert f"Python :: {PROJECT['requires-python'].removeprefix('>=')}" in " ".join(kinds)


def test_what_an_index_shows_leads_back_to_the_repository_at_the_tag(tmp_path):
    """The README's links are addresses, those of pictures load, and the metadata has URLs."""
    spec = importlib.util.spec_from_file_location("index", ROOT / ".github/for_the_index.py")
    index = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(index)
    readme = (ROOT / "README.md").read_text()
    made = index.absolute(readme, "org/codixr", "v0.1.0")
    links = re.findall(r"\]\(([^)\s]+)\)", made)
    assert len(links) > 10
    assert all(re.match(r"https://|#", link) for link in links)
    home = "https://github.com/org/codixr"
    assert f"({home}/blob/v0.1.0/docs/python.md)" in made
    assert f"({home}/tree/v0.1.0/leaderboard)" in made
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", made)
    raw = "https://raw.githubusercontent.com/org/codixr/v0.1.0/docs/gallery/effusion.png"
    assert raw in pictures
    project = index.with_urls((ROOT / "pyproject.toml").read_text(), "org/codixr", "v0.1.0")
    urls = tomllib.loads(project)["project"]["urls"]
    assert urls["Source"] == home
    assert urls["Changelog"].endswith("/v0.1.0/CHANGELOG.md")
    with pytest.raises(ValueError, match="leads nowhere"):
        index.absolute("[a](docs/nowhere.md)", "org/codixr", "v0.1.0")
    assert "for_the_index.py" in (ROOT / ".github/workflows/release.yml").read_text()
