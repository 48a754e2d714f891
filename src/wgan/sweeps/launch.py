"""The command that starts a sweep: all jobs are checked before the first one starts, and at the end it is summed up."""

import re
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from wgan.commands.one_line import escape_unprintable, explain_error
from wgan.errors import UserError
from wgan.run.checks import check_training, check_values
from wgan.run.pasting import quote, write_command
from wgan.run.strangers import check_contents
from wgan.run.unread import check_keys_read
from wgan.sweeps import identity, slurm, workers
from wgan.sweeps.identity import SETTINGS, run_configuration
from wgan.sweeps.job import find_launch
from wgan.sweeps.outcomes import read_sweep
from wgan.sweeps.record import find_jobs, mark_interrupted
from wgan.sweeps.report import update_report
from wgan.sweeps.summary import tabulate_best

JOB_FOLDER = "${job_folder:}"  # of conf/train.yaml
KEY = re.compile(r"\$\{(?!sweep\})[\w.]+\}")  # a reference to a key that may differ from job to job

started: DictConfig | None = None  # the configuration of the sweep that this process started


def with_summary(main: Callable[[], Any]) -> Callable[[], Any]:
    """Let a Hydra `main` that sweeps end with the best jobs on the console; with exit code 1 where jobs failed."""

    @wraps(main)
    def wrapper() -> None:
        global started
        started = None
        try:
            main()
        except BaseException as error:
            if started is None:
                raise
            if isinstance(error, Exception):  # one of Slurm's jobs died, for which submitit leaves the others alone
                slurm.wait_for_jobs_of(started.hydra)
            else:
                slurm.cancel_jobs_of(started.hydra)
            _conclude(started, error)
            raise
        if started is not None:
            _conclude(started)

    return wrapper


def _conclude(config: DictConfig, error: BaseException | None = None) -> None:
    folder = Path(config.hydra.sweep.dir)
    if error and not isinstance(error, Exception):  # Ctrl-C, or fail_fast
        for path in find_jobs(folder):
            mark_interrupted(path)
    update_report(folder, at_once=True)
    sweep = read_sweep(folder)
    done = [job for job in sweep.jobs if job.launch == find_launch(config.hydra)]
    print(f"\nThe best of {len(sweep.jobs)} jobs:\n{tabulate_best(sweep)}")
    print(f"Report: {folder}/report.html, {folder}/summary.csv")
    if others := sum(job.is_of_other_code for job in sweep.jobs):
        print(
            f"Of {len(sweep.jobs)} jobs, {others} were computed by other code than this; rerun=changed trains them anew"
        )
    if isinstance(error, KeyboardInterrupt):
        named = any(typed.startswith("sweep=") for typed in sys.argv[1:])
        again = write_command("train.py", *sys.argv[1:], *(() if named else (f"sweep={config.sweep}",)))
        here = quote(str(Path.cwd()))  # what was typed may name folders
        print(f"Interrupted; continue with: cd {here} && {again}", file=sys.stderr)
        return
    if failed := [job for job in done if job.status in ("failed", "died")]:
        lines = "".join(f"\n  {escape_unprintable(f'{folder / job.name}: {job.error}')}" for job in failed)
        sys.exit(
            f"error: {len(failed)} of {len(done)} jobs failed; their train.log tells how, and the same command tries "
            f"them again:{lines}"
        )


class Launch(Callback):
    """Hydra tells it that a sweep is about to start."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        global started
        find_launch(config.hydra)  # the time, before jobs inherit what it is
        try:
            check_jobs(config)
        except Exception as error:
            if line := explain_error(error, sys.argv[1:]):
                sys.exit(f"error: {escape_unprintable(line)}")  # Hydra would make a warning of an Exception
            traceback.print_exception(error)
            sys.exit(1)
        workers.limit_workers(config)
        workers.tie_to_launcher(config)
        started = config


def check_jobs(config: DictConfig) -> None:
    """Compose each job of a sweep as Hydra will, and check it.

    Raises:
        UserError: for the first thing that cannot be.
    """
    _check_sweeper(config)
    loader = GlobalHydra.instance().config_loader()
    params: DictConfig = config.hydra.sweeper.get("params") or OmegaConf.create()
    typed = [*(f"{key!s}={value}" for key, value in params.items()), *config.hydra.overrides.task]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(typed)
    identity.find_earlier_jobs.cache_clear()
    identity.swept = [override.get_key_element() for override in overrides if override.is_sweep_override()]
    for override in overrides:
        if override.is_sweep_override() and override.get_key_element().lstrip("+") in SETTINGS:
            raise UserError(f"{override.input_line}: must have one value, for the whole sweep")
        if not any(True for _ in _values(override)):
            raise UserError(f"{override.input_line}: stands for no value, so there is no job; --help lists choices")
    check_values(config)
    if (folder := Path(config.hydra.sweep.dir)).exists():
        check_contents(folder, f"sweep={config.sweep}")
    combinations = list(_jobs(config, overrides))
    identity.number_of_jobs = config.hydra.sweeper.get("n_trials") or len(combinations)
    _ = dict(config.hydra.job.env_set)  # looked at now, it is handed on to the jobs
    composed = [loader.load_sweep_config(config, job) for job in combinations]
    keys = [str(key) for key in composed[0] if key != "hydra"]
    check_keys_read(OmegaConf.masked_copy(composed[0], keys), combinations[0])
    jobs = list(map(run_configuration, composed))
    for cfg in jobs:
        check_training(cfg)
    from wgan.run.building import check_buildable  # PyTorch takes seconds to import: whoever errs is told before
    from wgan.run.machine import check_machine

    check_buildable(jobs)
    if not slurm.is_launcher_of(config.hydra):  # its nodes are others
        for cfg in jobs:
            check_machine(cfg)


def _check_sweeper(config: DictConfig) -> None:
    """Look at what Hydra's own settings of a sweep would break."""
    sweeper = config.hydra.sweeper
    if OmegaConf.select(sweeper, "sampler.seed", default=0) is None:
        raise UserError("hydra.sweeper.sampler.seed=null: must be a number, as 0; typed again, the search then goes on")
    for key in ("sweeper.n_trials", "sweeper.n_jobs", "launcher.batch_size"):
        value = str(OmegaConf.select(config.hydra, key, default=1))  # joblib's is a text
        if value != "auto" and (not value.isdecimal() or int(value) < 1):
            raise UserError(f"hydra.{key}={value}: must be a whole number, 1 or more")
    if storage := sweeper.get("storage"):
        raise UserError(f"hydra.sweeper.storage={storage}: must not be set; the sweep's folder has all that goes on")
    if slurm.is_launcher_of(config.hydra) and not shutil.which("sbatch"):
        raise UserError("+parallel=slurm: there is no sbatch here; run it where Slurm is, or set +parallel=local")
    direction = getattr(found := sweeper.get("direction", "minimize"), "name", found)
    if direction != "minimize":
        raise UserError(
            f"hydra.sweeper.direction={direction}: must be minimize, as in the table of the best jobs; where more is "
            "better, write objective=-NAME"
        )
    settings: Any = OmegaConf.to_container(config.hydra.sweep)
    if settings["subdir"] != JOB_FOLDER:
        raise UserError(
            f"hydra.sweep.subdir={settings['subdir']}: must not be set; jobs are named by what they compute"
        )
    if KEY.search(str(settings["dir"])):
        raise UserError(f"hydra.sweep.dir={settings['dir']}: must be one folder for all jobs; sweep=NAME names it")


def _jobs(config: DictConfig, overrides: list[Override]) -> Iterator[list[str]]:
    """The overrides of each job of a grid; of a search, those of its corners, one after the other."""
    values = {override.get_key_element(): list(_values(override)) for override in overrides}
    if str(config.hydra.sweeper._target_).endswith(".BasicSweeper"):
        if ranges := [override for override in overrides if isinstance(override.value(), IntervalSweep)]:
            raise UserError(f"{ranges[0].input_line}: is for a search; add +search=NAME, or give values as 0.01,0.05")
        combinations: Iterable[tuple[Any, ...]] = product(*values.values())
    else:
        combinations = _corners(values)
    for combination in combinations:
        yield [f"{key}={value}" for key, value in zip(values, combination, strict=True)]


def _corners(values: dict[str, list[Any]]) -> Iterator[tuple[Any, ...]]:
    first = {key: found[0] for key, found in values.items()}
    yield tuple(first.values())
    for key, found in values.items():
        for value in found[1:]:
            yield tuple({**first, key: value}.values())


def _values(override: Override) -> Iterator[Any]:
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        yield from (sweep.start, sweep.end)
    elif override.is_discrete_sweep():
        yield from override.sweep_string_iterator()
    else:
        yield override.get_value_element_as_str()
