"""The collector's settings belong to a command's own process, never to a caller of Python."""

import gc
import subprocess
import sys
from contextlib import suppress

import pytest

from codixr.collector import RARELY, loaded

PROGRAMS = pytest.mark.parametrize("module", ["codixr.cli", "codixr_bench.cli"])


@PROGRAMS
def test_a_command_searches_rarely_and_leaves_the_rest_to_the_process_that_ends(module):
    code = (
        f"import gc, sys\nfrom {module} import main\nsys.argv[1:] = ['--version']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(gc.get_threshold(), gc.get_freeze_count() > 1000)"
    )
    assert said_by(code)[-1] == f"{RARELY} True"


@PROGRAMS
def test_a_caller_from_python_keeps_its_own_collector(module):
    main = __import__(module, fromlist=["main"]).main
    before = gc.get_threshold(), gc.get_freeze_count()
    with suppress(SystemExit):
        main(["--version"])
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def said_by(code):
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


def test_behind_the_loading_a_command_searches_as_usual_and_not_in_what_is_there():
    code = """
import gc
from codixr.collector import loaded, of_a_command
before = gc.get_threshold()
with of_a_command():
    loaded()
    print(gc.get_threshold() == before, gc.get_freeze_count() > 1000)
    loaded()
    print(gc.get_threshold() == before)
"""
    assert said_by(code) == ["True True", "True"]


def test_what_is_loaded_from_python_stays_the_caller_s():
    before = gc.get_threshold(), gc.get_freeze_count()
    loaded()
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_a_command_that_makes_something_searches_as_usual(tmp_path):
    given = ["generate", "--from", "T=Edema.", "--to", "F", "--steps", "1", "--out", str(tmp_path)]
    code = f"""
import gc, sys
from codixr import cli
before = gc.get_threshold()
sys.argv[1:] = {given}
cli.main()
print(gc.get_threshold() == before)
"""
    assert said_by(code)[-1] == "True"
