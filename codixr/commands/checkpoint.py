"""The option that names a checkpoint, for the commands that read one."""

import argparse
from pathlib import Path


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add ``--checkpoint``; None is the embedded one."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="checkpoint folder (default: the embedded one)",
    )
