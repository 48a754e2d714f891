"""What a job is called: its overrides, and a fingerprint of all that decides what it computes."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from wgan.errors import UserError
from wgan.run.configuration import CONFIGURATION, read_configuration, settle_values
from wgan.run.fingerprint import HOW, Values, compute_the_same, find_decisive_values, fingerprint_values, is_or_is_below
from wgan.sweeps.workers import count_workers

LONGEST = 80  # characters of the overrides in a folder's name

SETTINGS = ("sweep", "rerun", "fail_fast", "jobs_per_gpu")  # keys of a sweep, not of its runs

# Of the sweep that this process started:
swept: Sequence[str] = ()  # the keys with several values
number_of_jobs = 0

OF_COMMAND = (*SETTINGS, "trust", "hydra")
OF_SWEEPS = (
    *SETTINGS,
    "search",
    "parallel",
    "prune",
    "hydra.sweep",
    "hydra.sweeper",
    "hydra.launcher",
)


def run_configuration(cfg: DictConfig) -> DictConfig:
    """The configuration of the run alone, without sweeps' keys and Hydra's; references between keys stay."""
    return settle_values(cfg, [str(key) for key in cfg if key not in OF_COMMAND])


def check_no_sweep(overrides: Sequence[str]) -> None:
    """Raises UserError if the overrides of a single run have a key of sweeps."""
    for override in overrides:
        if is_or_is_below(split_override(override)[0].lstrip("+~").replace("/", "."), OF_SWEEPS):
            raise UserError(f"{override}: is for sweeps; add -m, or leave it out")


def describe_overrides(overrides: Sequence[str], swept: Sequence[str] = ()) -> str:
    """The overrides as a part of a file's name: "clip_value=0.01,lr=5e-05"; "default" where there are none.

    What says how a run computes is left out, keys are shortened while they differ, and what could not stand in a file's
    name, or in many a shell, becomes "-". The keys that are swept come first; of the others those that fit follow.
    """
    kept = {key: value for key, value in map(split_override, overrides) if names_a_job(key)}
    last = ("trainer", "callbacks", "experiment")
    keys = sorted(kept, key=lambda key: (key not in swept, key.lstrip("+~").partition(".")[0] in last))
    words = ("=".join(filter(None, (shorten_key(key, keys), _rounded(kept[key])))) for key in keys)
    safe = (re.sub(r"[^\w.=+-]+", "-", word, flags=re.ASCII).strip("-.") for word in words)
    name = ""
    for word in filter(None, safe):
        longer = f"{name},{word}" if name else word
        name = longer if len(longer) <= LONGEST else name
    return name.strip("-.,=") or "default"


def name_folder(
    sweep: Path,
    cfg: DictConfig,
    overrides: Sequence[str],
    find_defaults: Callable[[], Values],
    swept: Sequence[str] = (),
) -> str:
    """The folder in `sweep` of the job with this configuration: the one it has, whatever its name, or a new one.

    Names end with a fingerprint. That of a job which an earlier version trained, without the keys of today, is another
    one: such a job is known by its configuration.
    """
    values = find_decisive_values(cfg)
    known = fingerprint_values(values)
    named = (path.name for path in _job_folders(sweep, known))
    earlier = (name for name, found in find_earlier_jobs(sweep) if compute_the_same(found, values, find_defaults))
    return next(named, None) or next(earlier, None) or f"{describe_overrides(overrides, swept)}-{known}"


@cache  # a sweep has many jobs
def find_earlier_jobs(sweep: Path) -> list[tuple[str, Values]]:
    """The jobs whose names have not the fingerprint of what they compute, as an earlier version named them."""
    found = [(path.name, _values_in(path)) for path in _job_folders(sweep, "????????")]
    return [(name, values) for name, values in found if values and not name.endswith(fingerprint_values(values))]


def _job_folders(sweep: Path, ending: str) -> Iterator[Path]:
    for path in sorted(sweep.glob(f"*-{ending}")):
        if path.is_dir() and "${" not in path.name:  # which Hydra would resolve, to a place anywhere
            yield path


def find_defaults(hydra: HydraConf) -> Values:
    """The decisive values of a job that takes the default of every key, in the groups that the user chose."""
    groups = [group for group in hydra.runtime.choices if group != "experiment"]
    chosen = tuple(typed for typed in hydra.overrides.task if split_override(typed)[0] in groups)
    return _compose_defaults(str(hydra.job.config_name), chosen)


@cache
def _compose_defaults(config_name: str, chosen: tuple[str, ...]) -> Values:
    loader = GlobalHydra.instance().config_loader()
    return find_decisive_values(
        run_configuration(loader.load_configuration(config_name, list(chosen), RunMode.MULTIRUN))
    )


def _values_in(folder: Path) -> Values:
    """The decisive values of the run in a folder; none where no configuration can be read."""
    try:
        return find_decisive_values(read_configuration(folder / CONFIGURATION))
    except Exception:  # it can be missing, and damaged in many ways
        return {}


def split_override(override: str) -> tuple[str, str]:
    """Key and value of an override."""
    key, _, value = override.partition("=")
    return key, value


def names_a_job(key: str) -> bool:
    """Whether an override of the key tells what a job computes."""
    return not is_or_is_below(key.lstrip("+~"), (*HOW, *SETTINGS)) and key != "trainer"


def shorten_key(key: str, keys: Sequence[str]) -> str:
    """The last parts of a dotted key, as many as tell it from the other keys."""
    parts = key.lstrip("+").split(".")
    endings = [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
    others = [other.lstrip("+") for other in keys if other != key]
    return next((end for end in endings if not any(f".{other}".endswith(f".{end}") for other in others)), key)


def _rounded(value: str) -> str:
    """Four digits of a long number; without brackets and quotes."""
    try:
        return f"{float(value):.4g}" if len(value) > 7 else value.strip("[]{}'\" ")
    except ValueError:
        return value.strip("[]{}'\" ")


def _folder_name_in(_root_: DictConfig) -> str:
    hydra = _root_.hydra
    overrides = list(hydra.overrides.task)
    keys = str(hydra.job.env_set.WGAN_SWEPT).split()
    return name_folder(Path(hydra.sweep.dir), _root_, overrides, lambda: find_defaults(hydra), keys)


def _number_in(_root_: DictConfig) -> str:
    """How the console tells the lines of a sweep's jobs apart."""
    number = OmegaConf.select(_root_, "hydra.job.num", throw_on_missing=False)
    return "" if number is None else f"#{number} "


# Of conf/; workers have them too, since the job's code is from here.
OmegaConf.register_new_resolver("job_folder", _folder_name_in, replace=True)
OmegaConf.register_new_resolver("swept_keys", lambda: " ".join(swept), replace=True, use_cache=True)
OmegaConf.register_new_resolver("number_of_jobs", lambda: str(number_of_jobs), replace=True, use_cache=True)
OmegaConf.register_new_resolver("job_number", _number_in, replace=True)
OmegaConf.register_new_resolver("workers", count_workers, replace=True)
