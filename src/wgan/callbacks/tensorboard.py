"""TensorBoard events of a run, in the run's folder itself."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams.summary_v2 import hparams_pb

from wgan.quality.ranking import FINALS

log = logging.getLogger(__name__)

NO_HYPERPARAMETERS = {
    "callbacks",
    "logger",
    "objective",
    "data.root",
    "model.compile",
    "trainer.accelerator",
    "trainer.deterministic",
    "trainer.devices",
    "trainer.log_every_n_steps",
    "trainer.enable_model_summary",
}


# Numbers, lists and words: a column of HParams has one type.
TEXTS = ("data.digit", "data.label", "model.ema_decay")

CLASSES = ("optimizer.", "model.generator.", "model.critic.", "model.lipschitz.")  # those that one chooses


class TensorBoard(TensorBoardLogger):
    """Lightning's logger without sub-folders and without hparams.yaml, which .hydra/config.yaml makes needless.

    It leaves one event file. That of a process that was killed is taken over up to the iteration `after`, so that no
    reader finds a doubled curve; a TensorBoard that shows the run at that time starts its curves again (purge_step).
    """

    def __init__(self, folder: Path, after: int) -> None:
        earlier = sorted(filter(Path.is_file, folder.glob("events.out.tfevents.*")))
        records = dict.fromkeys(record for path in earlier for record in _records_of(path))
        super().__init__(folder, name="", version="", default_hp_metric=False, purge_step=1 if earlier else None)
        for event in _events_in(records):
            final = any(value.tag.startswith(FINALS) for value in event.summary.value)  # there will be others
            if 1 <= event.step <= after and not final and not event.HasField("session_log"):
                self.experiment.file_writer.event_writer.add_event(event)
        self.save()
        for path in earlier:
            path.unlink()

    def log_hyperparams(self, values: dict[str, bool | int | float | str]) -> None:
        """For the HParams tab, which itself sets each run's last scalars beside them."""
        trial = "/".join(Path(self.log_dir).parts[-3:])  # legible, and another one for each run
        self.experiment.file_writer.add_summary(hparams_pb(values, trial))

    def save(self) -> None:
        self.experiment.flush()


def _records_of(path: Path) -> Iterator[bytes]:
    try:
        yield from RawEventFileLoader(str(path)).Load()
    except Exception as error:  # what a file says of its own length can be wrong, too
        log.warning("The rest of %a is damaged and left out (%s)", path.name, type(error).__name__)


def _events_in(records: Iterable[bytes]) -> Iterator[Event]:
    for record in records:
        try:
            yield Event.FromString(record)
        except Exception:  # of protobuf, which TensorBoard brings
            log.warning("An event of TensorBoard's is damaged and left out")


def list_hyperparameters(cfg: DictConfig) -> dict[str, bool | int | float | str]:
    """What decides the outcome of a run: dotted keys and plain values, without keys that repeat another's value.

    To be called before anything is built of `cfg`: building resolves the interpolations by which repeats are known.
    The class of an optimizer stands under the optimizer's name: {"optimizer.critic": "torch.optim.RMSprop"}.
    """
    flat: dict[str, bool | int | float | str] = {}

    def walk(node: DictConfig, prefix: str) -> None:
        for key, value in node.items_ex(resolve=False):
            name = prefix + str(key)
            if OmegaConf.is_interpolation(node, str(key)) or name in NO_HYPERPARAMETERS or key == "_partial_":
                continue
            if OmegaConf.is_dict(value):
                walk(value, f"{name}.")
            elif key != "_target_" or prefix.startswith(CLASSES):
                is_plain = isinstance(value, bool | int | float) and name not in TEXTS
                flat[name.removesuffix("._target_")] = value if is_plain else str(value)

    walk(cfg, "")
    return flat
