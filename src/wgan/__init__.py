"""WGAN experiments.

The names that configurations use, such as `_target_: wgan.WGAN`: they stay where they are when a file moves, so that
saved runs stay readable. Each is imported when it is asked for: PyTorch takes seconds.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]

HOMES = {
    "WGAN": "model.wgan",
    "Generator": "model.networks",
    "Critic": "model.networks",
    "LipschitzMethod": "model.lipschitz",
    "WeightClipping": "model.lipschitz",
    "ImageData": "data.images",
    "MNISTDigits": "data.mnist",
    "History": "callbacks.history",
    "Divergence": "callbacks.divergence",
    "CriticWeights": "callbacks.critic_weights",
    "Samples": "callbacks.samples",
    "Progress": "callbacks.progress",
    "Quality": "callbacks.quality",
    "CSV": "callbacks.loggers",
    "WandB": "callbacks.loggers",
    "MLflow": "callbacks.loggers",
    "TensorBoard": "callbacks.tensorboard",
    "RunLog": "run.log",
    "Launch": "sweeps.launch",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
