from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TINY, configuration
from omegaconf import OmegaConf

from wgan.errors import UserError
from wgan.run.trust import check_targets

MADE = "made"  # the file that an attack below would make
WHO = "is not of wgan, torch, pytorch_lightning, and the folder may come from a stranger; if you know what "

# Arguments and how they are refused; each would make a file, end the process or write outside the run's folder.
ATTACKS = [
    ("model._target_=os.mkdir", f"model._target_=os.mkdir: {WHO}"),
    ("model._target_=pathlib.Path", f"model._target_=pathlib.Path: {WHO}"),
    ("data._target_=builtins.exec", f"data._target_=builtins.exec: {WHO}"),
    ("trainer._target_=subprocess.Popen", f"trainer._target_=subprocess.Popen: {WHO}"),
    ("optimizer.critic._target_=os.system", f"optimizer.critic._target_=os.system: {WHO}"),
    ("callbacks.samples._target_=numpy.load", f"callbacks.samples._target_=numpy.load: {WHO}"),
    ("callbacks.samples._target_=wgang.evil", f"callbacks.samples._target_=wgang.evil: {WHO}"),
    ("model._target_=torch.os.mkdir", "model._target_=torch.os.mkdir: must be a kind of WGAN"),
    ("model._target_=torch.hub.load", "model._target_=torch.hub.load: must be a kind of WGAN"),
    ("model._target_=wgan.nothing", "model._target_=wgan.nothing: there is no such class"),
    ("model._target_=wgan.run.code.subprocess.Popen",
     "model._target_=wgan.run.code.subprocess.Popen: must be a kind of WGAN"),
    ("model._target_=torch.utils.model_dump.__main__.X", "model._target_=torch.utils.model_dump.__main__.X: there "
     "is no such class"),
    ("model._target_=torch.nn.Linear", "model._target_=torch.nn.Linear: must be a kind of WGAN"),
    ("optimizer.generator._target_=torch.nn.Linear", "optimizer.generator._target_=torch.nn.Linear: "
     "must be a kind of Optimizer"),
    ("+callbacks.evil={_target_:shutil.rmtree,path:x}", f"callbacks.evil._target_=shutil.rmtree: {WHO}"),
    ("+callbacks.evil=[{_target_:os.mkdir}]", "callbacks.evil=[{'_target_': 'os.mkdir'}]: must be a "),
    ("+callbacks.samples.more=[{_target_:os.mkdir}]", "callbacks.samples.more.0._target_=os.mkdir: nothing"),
    ("+trainer.profiler={_target_:pytorch_lightning.profilers.SimpleProfiler}", "trainer.profiler._target_="
     "pytorch_lightning.profilers.SimpleProfiler: nothing can be built here; remove it"),
    ("model.latent_dim={_target_:os.mkdir}", "model.latent_dim={'_target_': 'os.mkdir'}: must be a whole number"),
    ("+optimizer.more={_target_:os.mkdir,_args_:[made]}",
     "optimizer.more._target_=os.mkdir: nothing can be built here"),
    ("+trainer.profiler='${oc.create:{_target_:os.mkdir,_args_:[made]}}'",
     "trainer.profiler._target_=os.mkdir: nothing"),
    ("+callbacks.checkpoints._args_=[made]",
     "callbacks.checkpoints._args_=['made']: must not be given; name every argument"),
    ("+callbacks.checkpoints.dirpath=/tmp", "callbacks.checkpoints.dirpath=/tmp: must name no folder"),
    ("+callbacks.samples.names=[a,../made]", "callbacks.samples.names=['a', '../made']: must name no folder"),
    ("+callbacks.samples.name=../made", "callbacks.samples.name=../made: must name no folder"),
    ("+callbacks.checkpoints.dirpath=made", "callbacks.checkpoints.dirpath=made: must name no folder"),
    ("callbacks.checkpoints.filename=../../made", "callbacks.checkpoints.filename=../../made: must be {epoch:03d}"),
    ("callbacks.checkpoints.filename=/tmp/made", "callbacks.checkpoints.filename=/tmp/made: must be {epoch:03d}"),
    ("+trainer.default_root_dir=made", "trainer.default_root_dir=made: must name no folder"),
    ("+trainer.logger=true", "trainer.logger=True: a run has its own"),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "line"), ATTACKS, ids=[argument for argument, _ in ATTACKS])
def test_the_command_line_cannot(run_main: Callable[..., str], tmp_path: Path, argument: str, line: str) -> None:
    message = run_main("train.py", *TINY, argument, "hydra.run.dir=run")
    # What is typed is the user's own, wherever it comes from; but it must suit its place.
    assert message.startswith(f"error: {line.replace(WHO, 'must be a kind of ')}") or (
        WHO in line and message == f"error: {line.replace(WHO, 'there is no such class')}"
    )
    assert not list(tmp_path.rglob(MADE))
    assert not (tmp_path / "run" / "metrics.csv").exists()


@pytest.mark.parametrize(("argument", "line"), ATTACKS, ids=[argument for argument, _ in ATTACKS])
def test_a_run_folder_cannot(run_main: Callable[..., str], tmp_path: Path, argument: str, line: str) -> None:
    path = tmp_path / "run" / ".hydra" / "config.yaml"
    path.parent.mkdir(parents=True)
    OmegaConf.save(configuration(*TINY, argument), path)
    message = run_main("train.py", "resume=run")
    assert message.startswith(f"error: {line}")
    assert not list(tmp_path.rglob(MADE))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "hydra: {callbacks: {evil: {_target_: os.mkdir, path: made}}}",
            ".hydra/config.yaml has a key hydra;",
        ),
        ("defaults: [{override hydra/launcher: basic}]", ".hydra/config.yaml has a key defaults; do not trust"),
        ("!!python/object/apply:os.mkdir [made]", ".hydra/config.yaml is damaged; name another run"),
        ("seed: !!python/name:os.mkdir", ".hydra/config.yaml is damaged; name another run"),
        ("[1, 2]", ".hydra/config.yaml is no configuration; name another run"),
        ("# @package hydra\ncallbacks: {evil: {_target_: os.mkdir, path: made}}", ".hydra/config.yaml has no seed,"),
    ],
)
def test_a_run_folder_cannot_tell_hydra_what_to_do(
    run_main: Callable[..., str], tmp_path: Path, text: str, line: str
) -> None:
    path = tmp_path / "run" / ".hydra" / "config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert line in run_main("train.py", "resume=run")
    assert not list(tmp_path.rglob(MADE))


@pytest.mark.parametrize("name", ["metrics.csv", "train.log", "checkpoints", "samples/epoch=001.png", ".lock"])
def test_a_link_out_of_a_run_folder_is_refused(run_main: Callable[..., str], tmp_path: Path, name: str) -> None:
    path = tmp_path / "run" / ".hydra" / "config.yaml"
    path.parent.mkdir(parents=True)
    OmegaConf.save(configuration(*TINY), path)
    link = tmp_path / "run" / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / MADE)
    assert run_main("train.py", "resume=run") == (
        f"error: resume={tmp_path / 'run'}: {link} leads out of the folder; remove this link"
    )
    assert not (tmp_path / MADE).exists()


def test_what_is_ours_or_lightnings_is_built() -> None:
    check_targets(configuration(), trust=())
    check_targets(configuration("optimizer=adam"), trust=())
    check_targets(configuration("optimizer.critic._target_=torch.optim.SGD"), trust=())
    check_targets(configuration("+callbacks.lr._target_=pytorch_lightning.callbacks.LearningRateMonitor"), trust=())


def test_a_class_of_the_namespace_that_comes_from_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import wgan.model.wgan

    class Foreign(wgan.model.wgan.WGAN):
        pass

    monkeypatch.setattr(wgan.model.wgan, "Foreign", Foreign, raising=False)
    with pytest.raises(UserError, match="must be a class of wgan, torch, pytorch_lightning"):
        check_targets(configuration("model._target_=wgan.model.wgan.Foreign"), trust=())
