"""WGAN experiments.

The names that configurations use, such as `_target_: wgan.WGAN`, and those of docs/python.md are listed in
__init__.pyi. They stay when a file moves, so that saved runs stay readable. Each is imported at its first use, since
PyTorch takes seconds.
"""

from pathlib import Path

import lazy_loader

PACKAGE = Path(__file__).resolve().parent
HAS_CHECKOUT = (PACKAGE.parents[1] / "train.py").exists()  # else the package was installed without it

# The project's folder: where relative paths start, as that of the images.
PROJECT = PACKAGE.parents[1] if HAS_CHECKOUT else Path.cwd()
CONF = (PROJECT if HAS_CHECKOUT else PACKAGE) / "conf"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
