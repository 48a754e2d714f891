"""TensorBoard events of a run, in the run's folder itself."""

from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from torch.utils.tensorboard import SummaryWriter


class TensorBoard(TensorBoardLogger):
    """Lightning's logger without sub-folders and without hparams.yaml, which .hydra/config.yaml makes needless."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="", default_hp_metric=False)

    def log_config(self, cfg: DictConfig) -> None:
        """The hyperparameters for the HParams tab, which itself sets each run's last scalars beside them."""
        self.experiment._get_file_writer().add_summary(hparams_pb(hyperparameters(cfg)))

    def save(self) -> None:
        self.experiment.flush()


def events(trainer: Trainer) -> SummaryWriter:
    """Where callbacks write their scalars, images and histograms."""
    writer: SummaryWriter = cast(TensorBoard, trainer.logger).experiment
    return writer


def hyperparameters(cfg: DictConfig) -> dict[str, bool | int | float | str]:
    """What tells one run from another: dotted keys and plain values, without keys that repeat another's value.

    A class stands under the name of its node: {"optimizer.critic": "torch.optim.RMSprop"}.
    """
    flat: dict[str, bool | int | float | str] = {}

    def walk(node: DictConfig, prefix: str) -> None:
        for key, value in node.items_ex(resolve=False):
            name = prefix + str(key)
            if OmegaConf.is_interpolation(node, str(key)) or name == "callbacks" or key == "_partial_":
                continue
            if OmegaConf.is_dict(value):
                walk(value, f"{name}.")
            else:
                flat[name.removesuffix("._target_")] = value if isinstance(value, bool | int | float) else str(value)

    walk(cfg, "")
    return flat
