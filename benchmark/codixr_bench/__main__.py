"""``python -m codixr_bench``: the command ``codixr-bench``."""

import sys

from codixr_bench.cli import main

sys.exit(main())
