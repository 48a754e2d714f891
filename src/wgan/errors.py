"""Errors of which a user is told in one line."""

from typing import Any


class UserError(Exception):
    """Something that the user can mend; its message is one line: key, value and remedy, or file and remedy."""


class DivergenceError(UserError):
    """A loss or a weight that is no longer finite; after it nothing of a run is worth computing."""

    def __init__(self, iteration: int, quantity: str, value: float) -> None:
        super().__init__(
            f"iteration {iteration}: {quantity} is {value}, the run has diverged; lower optimizer.lr or "
            "model.clip_value, or set trainer.precision=32-true (the checkpoints of earlier epochs are kept)"
        )
        self.iteration = iteration
        self.quantity = quantity


class PrunedError(UserError):
    """A job of a sweep that is not worth its other epochs; `decision` is what result.json has of it."""

    def __init__(self, reason: str, decision: dict[str, Any]) -> None:
        super().__init__(reason)
        self.decision = decision | {"reason": reason}
