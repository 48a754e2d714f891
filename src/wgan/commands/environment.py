"""What a shell, a cluster or a desktop sets for other programs."""

import os
import sys

# Lightning takes this process for one of several where one of them is set.
RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")


def prepare_environment() -> None:
    """Let a command be one process that draws into files, wherever it is started; call it before the imports."""
    for name in RANKS:
        os.environ.pop(name, None)
    os.environ["MPLBACKEND"] = "agg"
    if not os.environ.get("OMP_NUM_THREADS", "1").isdecimal():
        del os.environ["OMP_NUM_THREADS"]
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115, for the life of the process
