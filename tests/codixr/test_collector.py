"""The collector's settings belong to a command's own process, never to a caller of Python."""

import gc
import subprocess
import sys
from contextlib import suppress

import pytest

from codixr.collector import RARELY

PROGRAMS = pytest.mark.parametrize("module", ["codixr.cli", "codixr_bench.cli"])


@PROGRAMS
def test_a_command_searches_rarely_and_leaves_the_rest_to_the_process_that_ends(module):
    code = (
        f"import gc, sys\nfrom {module} import main\nsys.argv[1:] = ['--version']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(gc.get_threshold(), gc.get_freeze_count() > 1000)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == f"{RARELY} True"


@PROGRAMS
def test_a_caller_from_python_keeps_its_own_collector(module):
    main = __import__(module, fromlist=["main"]).main
    before = gc.get_threshold(), gc.get_freeze_count()
    with suppress(SystemExit):
        main(["--version"])
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
