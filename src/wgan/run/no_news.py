"""Warnings of libraries that tell a user nothing."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

NO_NEWS = (
    ".*does not have many workers",  # the images are a tensor in memory: a worker would only slow their indexing down
    "GPU available but not used",  # trainer=cpu was asked for
    "The `srun` command is available",  # a run is one process, on Slurm too
    "The .grad attribute of a Tensor that is not a leaf",  # torch.compile looks at all that tensors have
    ".*treespec, LeafSpec",  # Lightning 2.6 calls a function of PyTorch 2.14 in its old way
    "Checkpoint directory .* exists and is not empty",  # a run that goes on
    "The dirpath has changed",  # the same, in a folder that was moved
)


@contextmanager
def hide_no_news() -> Iterator[None]:
    """Hide these warnings."""
    with warnings.catch_warnings():
        for message in NO_NEWS:
            warnings.filterwarnings("ignore", message=message)
        yield
