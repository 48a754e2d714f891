"""The end of a run before its last epoch, as Lightning's EarlyStopping asks for it."""

from pytorch_lightning import Callback, Trainer

from wgan.model.wgan import WGAN


class EarlyEnd(Callback):
    """Ends a run at once that goes on from the checkpoint with which it was to end: Lightning trains an epoch more."""

    def on_train_start(self, trainer: Trainer, module: WGAN) -> None:  # type: ignore[override]
        trainer.should_stop = bool(_list_reasons(trainer))


def describe_end(trainer: Trainer) -> dict[str, str]:
    """The status of a run that has ended; of one that was stopped the reason, too."""
    if trainer.current_epoch == trainer.max_epochs:
        return {"status": "finished"}
    reasons = " ".join(_list_reasons(trainer)) or "a callback set trainer.should_stop"
    return {"status": "stopped", "reason": reasons}


def _list_reasons(trainer: Trainer) -> list[str]:
    messages = (callback.stopping_reason_message for callback in trainer.early_stopping_callbacks)
    return [message for message in messages if message]
