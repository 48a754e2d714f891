"""What an iteration, a job and a run cost on this machine: `make bench`, or python -m bench."""

import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench.bare import BareLoop
from bench.memory import peak_memory
from bench.timing import (
    WITHOUT_QUALITY,
    configuration,
    ends,
    first_begin,
    in_bfloat16,
    in_lightning,
    in_loop,
    in_plain_loop,
)
from wgan import PROJECT
from wgan.model.memory import keep_freed_memory
from wgan.run.machine import has_bfloat16
from wgan.run.training import train

TOYS = ("model.generator._target_=bench.toys.ToyGenerator", "model.critic._target_=bench.toys.ToyCritic")

ROUNDS = 7
ITERATIONS = 4  # of a round, after one that is not counted
PROCESSES = 3  # started of each kind
REPEATS = 90  # of what takes milliseconds
EPOCHS, LENGTH = 5, 4  # of a run, and iterations of an epoch, for what its end costs


def iterations() -> Iterator[tuple[str, str, str]]:
    """Seconds an iteration, of each way in turn, and how each compares with the plain loop in fp32."""
    bare = BareLoop(configuration())
    # A process of its own, which keep_freed_memory() has not made faster.
    plain = ProcessPoolExecutor(1, get_context("spawn"))
    ways: dict[str, Callable[[], list[float]]] = {
        "plain loop, fp32": lambda: plain.submit(in_plain_loop, ITERATIONS, autocast=False).result(),
        "bare loop, fp32": lambda: in_loop(bare.iteration, ITERATIONS),
        "wgan, fp32": lambda: in_lightning(ITERATIONS),
        "plain loop, bf16": lambda: plain.submit(in_plain_loop, ITERATIONS, autocast=True).result(),
        "bare loop, bf16": lambda: in_loop(in_bfloat16(bare.iteration), ITERATIONS),
        "wgan, bf16": lambda: in_lightning(ITERATIONS, "trainer.precision=bf16-mixed"),
    }
    precisions = ["fp32", "bf16"] if has_bfloat16(torch.device("cpu")) else ["fp32"]
    ways = {way: measure for way, measure in ways.items() if way.rpartition(" ")[2] in precisions}
    with plain:
        rounds = [{way: measure() for way, measure in ways.items()} for _ in range(ROUNDS)]

    def ratio(way: str, other: str) -> float:
        """The median over the rounds, since what else the machine does changes from round to round."""
        return median(median(found[way]) / median(found[other]) for found in rounds)

    for way in ways:
        seconds = [second for found in rounds for second in found[way]]
        low, _, high = quantiles(seconds, n=4)
        remark = f"ratio {ratio(way, 'plain loop, fp32'):.2f}, quartiles {1e3 * low:.0f} and {1e3 * high:.0f}"
        yield f"iteration, {way}", f"{1e3 * median(seconds):.0f} ms", remark
    for precision in precisions:
        yield f"wgan / bare loop, {precision}", f"{ratio(f'wgan, {precision}', f'bare loop, {precision}'):.3f}", ""


def limit() -> Iterator[tuple[str, str, str]]:
    """The floating-point operations of an iteration over the best rate of any of its convolutions, in fp32."""
    bare = BareLoop(configuration())
    with FlopCounterMode(display=False) as counter:
        bare.iteration()
    flops = counter.get_total_flops()
    rates = {}
    for network, shape in ((bare.wgan.generator, (64, 50)), (bare.wgan.critic, (64, 1, 28, 28))):
        given = torch.randn(shape)
        for layer in network.children():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                rates[str(layer).partition("(")[0] + str(tuple(given.shape))] = rate(layer, given)
            with torch.no_grad():
                given = layer(given)
    best = max(rates, key=lambda name: rates[name])
    yield "operations an iteration", f"{flops / 1e9:.1f} GFLOP", "counted by FlopCounterMode"
    yield "best rate of a convolution", f"{rates[best] / 1e9:.0f} GFLOP/s", best
    yield "limit of an iteration, fp32", f"{1e3 * flops / rates[best]:.0f} ms", "operations / best rate"


def rate(layer: nn.Module, images: torch.Tensor) -> float:
    """Floating-point operations a second of a layer, forward and backward."""
    images = images.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    with FlopCounterMode(display=False) as counter:
        layer(images).sum().backward()
    flops: int = counter.get_total_flops()
    return flops / median(in_loop(lambda: layer(images).sum().backward(), 7))


class Terminal(StringIO):
    """Makes a run draw its bar, which goes nowhere."""

    def isatty(self) -> bool:
        return True


def framework() -> Iterator[tuple[str, str, str]]:
    """What Lightning, records and progress, bar included, cost an iteration."""
    bare = BareLoop(configuration(*TOYS))
    costs = []
    for _ in range(ROUNDS):
        alone = median(in_loop(bare.iteration, REPEATS))
        with redirect_stdout(Terminal()):
            costs.append(1e3 * (median(in_lightning(REPEATS, *TOYS, "~callbacks.samples")) - alone))
    remark = f"with toy networks, rounds from {min(costs):.2f} to {max(costs):.2f}"
    yield "framework an iteration", f"{median(costs):.2f} ms", remark


def end_of_epoch(*overrides: str) -> tuple[float, float]:
    """Seconds that the end of an epoch takes, the first one left out, and those of an iteration."""
    with TemporaryDirectory() as folder:
        run = (f"trainer.max_epochs={EPOCHS}", f"trainer.limit_train_batches={LENGTH}")
        train(configuration(*run, *overrides), Path(folder))
        marks = ends(folder)
    iteration = median(later - earlier for earlier, later in pairwise(marks))
    firsts = range(2 * LENGTH, len(marks), LENGTH)
    return median(marks[first] - marks[first - 1] - iteration for first in firsts), iteration


def records() -> Iterator[tuple[str, str, str]]:
    """What the end of an epoch costs: history, samples, histograms, TensorBoard, checkpoints; and quality."""
    without, iteration = end_of_epoch(*WITHOUT_QUALITY)
    quality = end_of_epoch("callbacks.quality.final_n=10")[0] - without
    for name, seconds in (("records", without), ("quality", quality)):
        share = f"{seconds / (97 * iteration):.2%} of the 97 iterations of an epoch"
        yield f"{name} at the end of an epoch", f"{1e3 * seconds:.0f} ms", share


def python(*arguments: str) -> None:
    """A process of its own."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def start_up() -> Iterator[tuple[str, str, str]]:
    """From the command to the first iteration, and what a further job in one process costs."""
    firsts, totals, imports = [], [], []
    for _ in range(PROCESSES):
        with TemporaryDirectory() as folder:
            begin = time.time()
            python(str(PROJECT / "train.py"), "experiment=smoke", "trainer=cpu", f"hydra.run.dir={folder}")
            totals.append(time.time() - begin)
            firsts.append(first_begin(folder) - begin)
        begin = time.time()
        python("-c", "import wgan.run.training, wgan.run.fitting, wgan.data.mnist, wgan.callbacks.history")
        imports.append(time.time() - begin)
    further = []
    for _ in range(PROCESSES):
        with TemporaryDirectory() as folder:
            begin = time.time()
            train(configuration("experiment=smoke"), Path(folder))
            further.append(first_begin(folder) - begin)
    yield (
        "command to first iteration",
        f"{median(firsts):.1f} s",
        f"imports alone, in a process of their own: {median(imports):.1f} s",
    )
    yield "further job in one process", f"{median(further):.2f} s", "to its first iteration"
    yield "experiment=smoke, whole", f"{median(totals):.1f} s", ""


def memory_and_data() -> Iterator[tuple[str, str, str]]:
    """Peak memory of a run with the default networks, and what a batch costs."""
    with TemporaryDirectory() as folder:
        short = ("trainer.max_epochs=2", "trainer.limit_train_batches=10", f"hydra.run.dir={folder}")
        peak = peak_memory("trainer=cpu", *short)
    bare = BareLoop(configuration())
    yield "peak resident memory", f"{peak / 1e9:.2f} GB", "of a run of 20 iterations"
    yield "data set to batch", f"{1e3 * median(in_loop(bare.batch, REPEATS)):.2f} ms", "160 images"


def main() -> None:
    """Print the table; a section at a time, since all take minutes."""
    logging.disable(logging.WARNING)
    keep_freed_memory()  # as a run does: for the bare loop, too
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads")
    print(f"Python {platform.python_version()}, PyTorch {torch.__version__}\n")
    for section in (iterations, limit, framework, records, start_up, memory_and_data):
        for name, value, remark in section():
            print(f"{name:32} {value:>14}   {remark}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
