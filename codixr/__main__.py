"""``python -m codixr``: the command ``codixr``."""

import sys

from codixr.cli import main

sys.exit(main())
