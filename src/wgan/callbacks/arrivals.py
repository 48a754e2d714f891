"""Numbers that come from the device that trains, for which it is not waited."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class _Sent(NamedTuple):
    iteration: int
    numbers: Tensor
    arrival: torch.cuda.Event | None


class Arrivals:
    """Numbers on their way to the host, in the order in which they were sent: on the CPU they are there at once."""

    def __init__(self) -> None:
        self._under_way: deque[_Sent] = deque()

    def send(self, iteration: int, numbers: Tensor) -> None:
        """Start copying the numbers, a vector, of an iteration."""
        copy = numbers.to("cpu", non_blocking=numbers.is_cuda)  # to pinned memory
        arrival = torch.cuda.Event() if numbers.is_cuda else None
        if arrival:
            arrival.record()
        self._under_way.append(_Sent(iteration, copy, arrival))

    def arrived(self, *, wait: bool = False) -> Iterator[tuple[int, list[float]]]:
        """Iterations and numbers that have arrived since the last call; with `wait`, all that were sent."""
        while self._under_way:
            iteration, numbers, arrival = self._under_way[0]
            if arrival and wait:
                arrival.synchronize()
            elif arrival and not arrival.query():
                return
            self._under_way.popleft()
            yield iteration, numbers.tolist()
