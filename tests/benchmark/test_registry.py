from pathlib import Path

import pytest

from codixr.errors import InputError
from codixr_bench import registry
from codixr_bench.registry import load_model, load_object

USER_MODEL = """
class Echo:
    name, version = "echo", "1"
    def supports(self, task): return True
    def generate(self, conditions, task, seeds): return []

class Partial:
    name = "partial"

class WithCheckpoint(Echo):
    def __init__(self, checkpoint): self.checkpoint = checkpoint

ready = Echo()
"""


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that somebody wrote in the folder they work in."""
    (tmp_path / "my_models.py").write_text(USER_MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [p for p in __import__("sys").path if p])
    return "my_models"


@pytest.mark.parametrize("name", ["real", "retrieval", "constant", "noise"])
def test_every_reference_point_loads_by_its_name(name: str) -> None:
    assert load_model(name).name == name


def test_every_built_in_target_is_written_as_module_and_name() -> None:
    for kind in (registry.MODELS, registry.METRICS):
        assert all(target.count(":") == 1 for target in kind.values())


def test_a_class_of_the_users_own_needs_no_registration(user_module: str) -> None:
    assert load_model(f"{user_module}:Echo").name == "echo"
    assert load_model(f"{user_module}:ready").name == "echo"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("codxir", "unknown model 'codxir'; did you mean 'codixr'?"),
        ("Noise", "did you mean 'noise'?"),
        ("zzz", "known: codixr, codi, real, retrieval, classifier, constant, noise"),
        ("retreival:folder", "did you mean 'retrieval'?"),
        ("noise:folder", "model 'noise' has no checkpoint"),
        ("codixr:", "the path after ':' is missing"),
        ("json:nope", "'json' has no 'nope'"),
        ("json:JSONDecodr", "'json' has no 'JSONDecodr'; did you mean 'JSONDecoder'?"),
        ("json:dumps", "cannot be built without arguments"),
        ("os:path", "is not a GenerativeModel: it lacks name"),
        ("codixr_bench.nope:X", "cannot import 'codixr_bench.nope'"),
        ("", "unknown model ''"),
    ],
)
def test_what_is_wrong_with_a_model_is_one_line(spec: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load_model(spec)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_that_lacks_a_part_is_told_which(user_module: str) -> None:
    with pytest.raises(InputError, match="it lacks version, supports, generate"):
        load_model(f"{user_module}:Partial")


def test_a_plugged_in_model_loads_by_name_and_with_a_checkpoint(
    user_module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        registry,
        "plugged_in",
        lambda kind: {"mine": f"{user_module}:WithCheckpoint"} if kind == "models" else {},
    )
    assert load_model("mine:some/folder").checkpoint == Path("some/folder")  # type: ignore[attr-defined]
    assert "mine" in registry.names("models")


def test_objects_are_found_by_dotted_paths() -> None:
    assert load_object("pathlib:Path.home", "thing") == Path.home
