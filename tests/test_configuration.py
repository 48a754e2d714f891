import re

import pytest
from conftest import PROJECT, configuration
from omegaconf import OmegaConf

import wgan
from wgan.errors import UserError
from wgan.run.checks import check_training
from wgan.run.rules import EVALUATION_RULES, GENERATION_RULES, RULES
from wgan.run.unread import check_keys_read

DEFAULTS = {
    "model.latent_dim": 50,
    "model.n_critic": 5,
    "model.clip_value": 0.01,
    "model.clip_scope": "kernels",
    "model.critic_update": "alternating",
    "optimizer.lr": 0.00005,
    "optimizer.critic.lr": 0.00005,
    "optimizer.generator.lr": 0.00005,
    "data.digit": 7,
    "data.batch_size": 64,
    "trainer.max_epochs": 10,
    "trainer.accelerator": "auto",
    "trainer.precision": "32-true",
    "seed": 0,
    "objective": "fid_mnist",
    "callbacks.quality.n": 1024,
    "callbacks.quality.every_n_epochs": 1,
    "callbacks.quality.final_n": "auto",
    "callbacks.quality.features": None,
}


@pytest.mark.parametrize(("key", "value"), DEFAULTS.items())
def test_defaults(key: str, value: object) -> None:
    assert OmegaConf.select(configuration(), key) == value


def test_optimizer_lr_sets_both_and_each_can_be_set_alone() -> None:
    optimizer = configuration("optimizer.lr=1e-4", "optimizer.critic.lr=1e-3").optimizer
    assert (optimizer.critic.lr, optimizer.generator.lr) == (1e-3, 1e-4)


def test_tutorial_is_the_default_configuration() -> None:
    assert configuration("experiment=tutorial") == configuration()


def test_paper_is_joint_and_clips_every_parameter() -> None:
    cfg = configuration("experiment=paper")
    assert (cfg.model.critic_update, cfg.model.clip_scope) == ("joint", "all")
    cfg.model.critic_update, cfg.model.clip_scope = "alternating", "kernels"
    assert cfg == configuration()


def test_trainers_differ_in_the_accelerator_alone() -> None:
    for name in ("cpu", "gpu", "auto"):
        cfg = configuration(f"trainer={name}")
        assert cfg.trainer.accelerator == name
        cfg.trainer.accelerator = "auto"
        assert cfg == configuration()


def test_the_command_line_wins_over_an_experiment() -> None:
    assert configuration("experiment=paper", "model.clip_scope=kernels").model.clip_scope == "kernels"


@pytest.mark.parametrize(
    "overrides",
    [
        *([f"experiment={path.stem}"] for path in (PROJECT / "conf" / "experiment").glob("*.yaml")),
        ["optimizer=adam"],
        ["data.digit=[3,8]"],
        ["data.digit=all", "data.batch_size=2"],
        ["optimizer.lr=1", "seed=0", "trainer.limit_train_batches=0.5"],
    ],
)
def test_what_is_possible_passes_the_checks(overrides: list[str]) -> None:
    check_training(configuration(*overrides))


def test_a_folder_is_a_text() -> None:  # the command line makes one of data.root=5
    with pytest.raises(UserError, match=r"data.root=5: must be a folder, such as data"):
        check_training(configuration("data.root=5"))


@pytest.mark.parametrize("reference", ["${optimizer.wd}", "${..wd}", "${oc.decode:${..wd}}"])
def test_a_key_to_which_another_one_refers_is_read(reference: str) -> None:
    cfg = configuration("+optimizer.wd=0.1")
    cfg.optimizer.critic.weight_decay = reference
    check_keys_read(cfg, ["+optimizer.wd=0.1", "optimizer.lr=5e-5", "model.n_critic=5", "optimizer=rmsprop"])
    cfg.optimizer.critic.weight_decay = 0.1
    with pytest.raises(UserError, match=r"optimizer.wd=0.1: nothing reads it; set optimizer.critic.wd"):
        check_keys_read(cfg, ["+optimizer.wd=0.1"])


def test_a_key_in_a_file_that_nothing_reads_is_refused() -> None:
    cfg = configuration("optimizer.critic.lr=1e-4", "optimizer.generator.lr=1e-3")
    check_keys_read(cfg, [])  # optimizer.lr is of no effect, but of a file that did not know
    OmegaConf.update(cfg, "optimizer.critic.weight_decay", 0.1, force_add=True)
    OmegaConf.update(cfg, "optimizer.weight_decay", 0.1, force_add=True)
    with pytest.raises(UserError, match=r"^optimizer.weight_decay=0.1: nothing reads it; set optimizer.critic.weight"):
        check_keys_read(cfg, [])
    OmegaConf.update(cfg, "optimizer.generator.weight_decay", "${optimizer.weight_decay}", force_add=True)
    check_keys_read(cfg, [])


def test_an_optimizer_of_ones_own_needs_no_decay() -> None:
    for path in (PROJECT / "conf" / "optimizer").glob("*.yaml"):
        assert "decay" not in OmegaConf.load(path)
    assert configuration("optimizer.decay=linear").model.lr_decay == "linear"


def test_every_rule_has_a_key_to_check() -> None:
    keys = set()
    null = ["model.ema_decay=0.99", "callbacks.quality.features=digits"]
    for overrides in (null, ["optimizer=adam"], ["+logger=wandb"], ["+prune=median"]):
        keys |= {key for key in RULES if OmegaConf.select(configuration(*overrides), key) is not None}
    pages = ("train", "generate", "evaluate")
    train, generate, evaluate = (OmegaConf.load(PROJECT / "conf" / f"{name}.yaml") for name in pages)
    assert keys | {str(key) for key in train} | {"trust"} >= RULES.keys()
    assert {str(key) for key in generate} - {"defaults", "hydra"} == GENERATION_RULES.keys()
    assert {str(key) for key in evaluate} - {"defaults", "hydra"} == EVALUATION_RULES.keys()


def test_every_class_that_the_projects_configurations_name_has_a_name_that_stays() -> None:
    named = set()
    for path in (PROJECT / "conf").rglob("*.yaml"):
        named |= set(re.findall(r"(?:_target_|class): (wgan[\w.]*)", path.read_text()))
    assert named >= {"wgan.WGAN", "wgan.MNISTDigits", "wgan.TensorBoard", "wgan.RunLog"}
    assert named <= {f"wgan.{name}" for name in wgan.__all__}
    for name in wgan.__all__:
        assert getattr(wgan, name).__name__ == name
    with pytest.raises(AttributeError, match="Nothing"):
        _ = wgan.Nothing  # type: ignore[attr-defined]
