"""WGAN experiments.

The names that configurations use, such as `_target_: wgan.WGAN`, are listed in __init__.pyi. They stay when a file
moves, so that saved runs stay readable. Each is imported at its first use, since PyTorch takes seconds.
"""

from pathlib import Path

import lazy_loader

PROJECT = Path(__file__).resolve().parents[2]

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
