"""Makes the fakes importable: tests run with --import-mode=importlib."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "benchmark"))
sys.path.append(str(Path(__file__).parent))
