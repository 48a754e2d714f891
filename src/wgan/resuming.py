"""resume=FOLDER: the configuration of a run that goes on."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from wgan import runs
from wgan.checks import GROUPS, UserError, leaves

LENGTH = "trainer.max_epochs"


def with_resume(main: Callable[[], Any]) -> Callable[[], Any]:
    """Let resume=FOLDER on the command line of a Hydra `main` compose conf/resume.yaml, with the run's configuration.

    The folder may be a stranger's. Hydra would build what it finds under "hydra", and writes a log in the folder: such
    a key, and links that lead out of the folder, are refused before Hydra starts.
    """

    @wraps(main)
    def wrapper() -> Any:
        typed = [argument for argument in sys.argv[1:] if argument.startswith("resume=")]
        if typed:
            if {"-m", "--multirun"} & set(sys.argv):
                raise UserError(f"{typed[0]}: continues one run; leave out --multirun")
            if not (name := typed[-1].partition("=")[2]):
                raise UserError("resume=: must name the folder of a run, such as outputs/DATE/TIME")
            folder = Path(name).absolute()
            ConfigStore.instance().store("run", _run_configuration(folder))
            others = [argument for argument in sys.argv[1:] if argument not in typed]
            sys.argv[1:] = ["--config-name=resume", *others, f"hydra.run.dir={_quoted(folder)}"]
        return main()

    return wrapper


def check_unchanged(saved: DictConfig, cfg: DictConfig) -> None:
    """Raises UserError if `cfg` is not the configuration `saved`, but for a greater trainer.max_epochs."""
    # Interpolations stay as they are: whoever changes a key changes one leaf.
    before, now = (dict(leaves(OmegaConf.to_container(each))) for each in (saved, cfg))
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if keys == [LENGTH] and now[LENGTH] > before[LENGTH]:
        return
    if keys:
        values = ", ".join(f"{key}={now.get(key)} (the run has {before.get(key)})" for key in keys)
        raise UserError(f"{values}: resume= can raise {LENGTH}, nothing else; for other values start another run")


def _run_configuration(folder: Path) -> DictConfig:
    cfg = runs.load_configuration(folder, "resume")
    if unknown := [str(key) for key in cfg if key not in ("seed", *GROUPS)]:
        raise UserError(
            f"resume={folder}: {unknown[0]} does not belong in {runs.CONFIGURATION}; do not trust this folder"
        )
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"resume={folder}: {path} leads out of the folder; remove this link")
    return cfg


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
