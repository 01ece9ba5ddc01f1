"""``codixr-bench new-model NAME``: a small package with a model, its test and a README that run."""

import argparse
import importlib.util
import json
import keyword
import re
import shutil
import sys
import tempfile
from pathlib import Path
from string import Template

from codixr import messages
from codixr.arguments import add_json, output_folder
from codixr.errors import InputError

_TEMPLATES = Path(__file__).parent / "model_template"
_FILES = {
    "model.py": "{name}/model.py",
    "test_model.py": "tests/test_model.py",
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
}
"""Template -> where it goes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``new-model``."""
    parser.add_argument("name", metavar="NAME", help="e.g. my_model")
    parser.add_argument("--to", type=output_folder, metavar="DIR", help="default: ./NAME")
    add_json(parser)


def main(parsed: argparse.Namespace) -> int:
    """Write the package and say what to do next; exit code 0."""
    name = package_name(parsed.name)
    folder = write_package(name, parsed.to or Path(parsed.name))
    model = f"{name}.model:{class_name(name)}"
    messages.say(
        "codixr-bench",
        f"wrote {folder}; next:\n"
        f"  cd {folder}\n"
        f"  codixr-bench run --task 'T->F' --model {model} --limit 16",
    )
    if parsed.json:
        print(json.dumps({"folder": str(folder), "model": model}, indent=2))
    return 0


def package_name(text: str) -> str:
    """The package's name from ``my-model`` or ``MyModel``; InputError for what cannot be one."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).replace("-", "_").lower()
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name):
        raise InputError(
            f"new-model '{text}': a name has letters, digits and _, begins with a letter, and has "
            "at most 40 of them, e.g. my_model"
        )
    if name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        raise InputError(f"new-model '{text}': a package '{name}' is there already; take another")
    return name


def class_name(name: str) -> str:
    """``my_model`` -> ``MyModel``."""
    return "".join(part.capitalize() for part in name.split("_") if part)


def write_package(name: str, folder: Path) -> Path:
    """Write the package into ``folder``, whole or not at all.

    Raises InputError for a folder that is there and not empty, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"'{folder}' is there already: give another folder by --to")
    words = {"name": name, "Class": class_name(name), "project": name.replace("_", "-")}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        try:
            for template, target in _FILES.items():
                text = Template((_TEMPLATES / f"{template}.tmpl").read_text(encoding="utf-8"))
                path = part / target.format(**words)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text.substitute(words), encoding="utf-8")
            (part / name / "__init__.py").write_text(f'"""{words["Class"]} for codixr."""\n')
            part.chmod(0o755)
            part.rename(folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    except OSError as error:
        raise InputError(f"cannot write '{folder}': {error.strerror or error}") from error
    return folder
