import re
from pathlib import Path

import pytest
from conftest import configuration
from omegaconf import OmegaConf

from wgan.errors import UserError
from wgan.run.continuing import check_configuration
from wgan.run.fingerprint import find_decisive_values, fingerprint
from wgan.sweeps.identity import describe_overrides, name_folder


@pytest.mark.parametrize(
    "how",
    [
        *("trainer=cpu", "trainer.accelerator=gpu", "trainer.log_every_n_steps=50"),
        "trainer.enable_model_summary=true",
        *("~callbacks.progress", "objective=-recall", "data.root=elsewhere", "sweep=x", "rerun=true", "jobs_per_gpu=2"),
    ],
)
def test_what_says_how_a_run_computes_is_not_in_its_fingerprint(how: str) -> None:
    assert fingerprint(configuration(how)) == fingerprint(configuration())


def test_what_a_run_computes_is_in_its_fingerprint() -> None:
    overrides = (
        *("seed=1", "model.clip_value=0.02", "model.latent_dim=51", "optimizer.lr=1e-4", "optimizer.critic.lr=1e-4"),
        *("optimizer=adam", "data.digit=3", "data.digit=[3,8]", "data.batch_size=32", "trainer.max_epochs=11"),
        *("trainer.precision=bf16-mixed", "callbacks.quality.final_n=512", "experiment=paper", "experiment=smoke"),
        *("trainer.limit_train_batches=1", "trainer.deterministic=false", "~callbacks.quality", "model.compile=true"),
    )
    found = {fingerprint(configuration(override)) for override in overrides}
    assert len(found | {fingerprint(configuration())}) == len(overrides) + 1
    assert all(re.fullmatch("[0-9a-f]{8}", each) for each in found)


def test_the_same_value_in_other_words_is_the_same_job() -> None:
    assert fingerprint(configuration("optimizer.lr=0.00005", "experiment=tutorial")) == fingerprint(configuration())
    two = configuration("seed=1", "model.n_critic=2"), configuration("model.n_critic=2", "seed=1")
    assert fingerprint(two[0]) == fingerprint(two[1])


def test_runs_from_when_optimizers_were_partial_are_the_same_jobs() -> None:
    partial = [f"+optimizer.{network}._partial_=true" for network in ("critic", "generator")]
    assert fingerprint(configuration(*partial)) == fingerprint(configuration())


@pytest.mark.parametrize(
    ("digit", "same"), [("[7]", "7"), ("[7,7]", "7"), ("[8,3]", "[3,8]"), ("[9,8,7,6,5,4,3,2,1,0]", "all")]
)
def test_digits_spelt_otherwise_are_one_job(digit: str, same: str) -> None:
    earlier, now = configuration(f"data.digit={digit}"), configuration(f"data.digit={same}")
    assert fingerprint(earlier) == fingerprint(now)
    path = Path("last.ckpt")  # of before, when they were spelt as they were typed
    typed = {"data._target_": "wgan.MNISTDigits", "data.digit": [*earlier.data.digit]}
    check_configuration(path, typed, find_decisive_values(now))
    with pytest.raises(UserError, match=r"is of a run with data.digit=5"):
        check_configuration(path, {"data.digit": 5}, find_decisive_values(now))


def test_a_saved_configuration_has_the_fingerprint_of_its_run(tmp_path: Path) -> None:
    cfg = configuration("optimizer.lr=1e-4")
    OmegaConf.save(cfg, tmp_path / "config.yaml")
    assert fingerprint(OmegaConf.load(tmp_path / "config.yaml")) == fingerprint(cfg)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], "default"),
        (["trainer=cpu", "sweep=x", "rerun=true", "+parallel=local", "objective=g"], "default"),
        (["model.clip_value=0.01", "optimizer.lr=5e-05", "model.n_critic=1"], "clip_value=0.01,lr=5e-05,n_critic=1"),
        (["trainer.max_epochs=2", "experiment=smoke", "seed=1"], "seed=1,max_epochs=2,experiment=smoke"),
        (["optimizer.critic.lr=1e-4", "optimizer.generator.lr=1e-5"], "critic.lr=1e-4,generator.lr=1e-5"),
        (["optimizer.lr=1e-4", "optimizer.critic.lr=1e-3"], "optimizer.lr=1e-4,critic.lr=1e-3"),
        (["data.digit=[3,8]", "optimizer=adam"], "digit=3-8,optimizer=adam"),
        (["model.clip_value=0.012345678901234567"], "clip_value=0.01235"),
        (["~callbacks.quality", "+model.x='../a b/c'"], "x=..-a-b-c,quality"),
    ],
)
def test_slug(overrides: list[str], expected: str) -> None:
    assert describe_overrides(overrides) == expected


def test_what_is_swept_comes_first_and_nothing_is_cut_inside_a_value() -> None:
    fixed = ["data.batch_size=16", "callbacks.quality.n=32", "model.n_critic=1"]
    overrides = [*fixed, "model.clip_value=0.01", "optimizer.lr=5e-05"]
    name = "clip_value=0.01,lr=5e-05,batch_size=16,n_critic=1,n=32"
    assert describe_overrides(overrides, ["model.clip_value", "optimizer.lr"]) == name
    long = [f"model.{'k' * 20}{number}={number}{number}{number}" for number in range(9)]
    words = describe_overrides([*long, "seed=5"], ["seed"]).split(",")
    assert words == ["seed=5", *(f"{'k' * 20}{number}={number}{number}{number}" for number in range(2))]


def test_a_slug_is_short_and_safe() -> None:
    found = describe_overrides([f"model.{'k' * 30}{number}=/{'ü ' * 40}/../{number}" for number in range(9)])
    assert 10 < len(found) <= 80
    assert re.fullmatch(r"[\w.=+,-]+", found, re.ASCII)
    assert not found.startswith((".", "-"))


def test_a_job_keeps_the_folder_that_it_has_whatever_it_was_called(tmp_path: Path) -> None:
    cfg = configuration("model.clip_value=0.02")
    name = name_folder(tmp_path, cfg, ["model.clip_value=0.02"], dict)
    assert name == f"clip_value=0.02-{fingerprint(cfg)}"
    (tmp_path / name).mkdir()
    assert name_folder(tmp_path, cfg, ["model.clip_value=0.02", "seed=0"], dict) == name
    assert name_folder(tmp_path, configuration("seed=1"), ["seed=1"], dict).startswith("seed=1-")
