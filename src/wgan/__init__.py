"""WGAN experiments.

The names that configurations use, such as `_target_: wgan.WGAN`: they stay where they are when a file moves, so that
saved runs stay readable. Each is imported when it is asked for: PyTorch takes seconds.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what type checkers see
    from wgan.callbacks.critic_weights import CriticWeights as CriticWeights
    from wgan.callbacks.divergence import Divergence as Divergence
    from wgan.callbacks.history import History as History
    from wgan.callbacks.loggers import CSV as CSV
    from wgan.callbacks.loggers import MLflow as MLflow
    from wgan.callbacks.loggers import WandB as WandB
    from wgan.callbacks.progress import Progress as Progress
    from wgan.callbacks.quality import Quality as Quality
    from wgan.callbacks.samples import Samples as Samples
    from wgan.callbacks.tensorboard import TensorBoard as TensorBoard
    from wgan.data.images import ImageData as ImageData
    from wgan.data.mnist import MNISTDigits as MNISTDigits
    from wgan.model.lipschitz import LipschitzMethod as LipschitzMethod
    from wgan.model.lipschitz import WeightClipping as WeightClipping
    from wgan.model.networks import Critic as Critic
    from wgan.model.networks import Generator as Generator
    from wgan.model.wgan import WGAN as WGAN
    from wgan.run.log import RunLog as RunLog
    from wgan.sweeps.launch import Launch as Launch

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
