"""What a user brings of their own: networks, a penalty, images, a figure of quality. Nothing in src/ knows of them."""

import csv
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BARE, PROJECT, TINY, command, configuration, contents, result, rows, samples_of
from omegaconf import OmegaConf
from PIL import Image
from processes import Process
from test_sweeps import until
from test_tensorboard import events_of
from torch import Tensor, nn

from wgan.errors import UserError
from wgan.model.clipping import WeightClipping
from wgan.model.lipschitz import LipschitzMethod
from wgan.model.networks import GREY_28, Critic, Generator
from wgan.model.wgan import WGAN
from wgan.run.building import build_model
from wgan.run.configuration import list_trust_needed

CONF = f"hydra.searchpath=[file://{PROJECT / 'examples' / 'own_method' / 'conf'}]"
SHORT = (CONF, "experiment=own_method", "trainer=cpu", "trainer.limit_train_batches=3", "callbacks.quality.n=20")
OWN = (*SHORT, "callbacks.quality.final_n=20", "trainer.max_epochs=3")
TRUST = "trust=[examples]"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the example."""
    folder = tmp_path_factory.mktemp("own") / "run"
    process = command("train.py", *OWN, f"hydra.run.dir={folder}", cwd=folder.parent)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return folder


def comparable(folder: Path) -> dict[str, bytes]:
    """What does not tell when it was written."""
    ends = (".csv", ".png", ".gif", ".safetensors")
    return {name: data for name, data in contents(folder).items() if name.endswith(ends)}


def test_it_is_trained_and_measured(run: Path) -> None:
    found = result(run)
    assert found["status"] == "finished"
    assert found["image_shape"] == [3, 16, 16]
    assert found["objective"] == found["colours"] > found["colours_floor"] > 0
    last = rows(run, "quality.csv")[-1]
    assert list(last) == ["iteration", "epoch", "samples", "nearest_distance", "colours", "wasserstein"]
    assert float(last["colours"]) == found["colours"]
    for name in ("samples/epoch=001.png", "nearest.png"):
        with Image.open(run / name) as picture:
            assert picture.mode == "RGB"
    assert [point.step for point in events_of(run).Scalars("lipschitz/largest_weight")] == [3, 6, 9]


def test_the_lines_that_it_prints_work(run: Path) -> None:
    assert (run / "train.log").read_text().endswith(f"generate.py run={run} n=100 out=samples.png 'trust=[examples]'\n")
    assert list_trust_needed(configuration()) == []
    assert list_trust_needed(configuration("+logger=[wandb,csv]", "model.critic._target_=mine.C")) == [
        "trust=[wandb,mine]"
    ]


@pytest.mark.slow
def test_killed_and_resumed_it_has_the_same_bits(run: Path, tmp_path: Path) -> None:
    process = Process("train.py", *OWN, "hydra.run.dir=run", cwd=tmp_path)
    until(lambda: (tmp_path / "run" / "checkpoints" / "epoch=001.ckpt").exists())
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run" / "result.json").exists()
    again = command("train.py", "resume=run", TRUST, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert comparable(tmp_path / "run") == comparable(run)


def test_images_are_generated_from_it(run: Path, tmp_path: Path, run_main: Callable[..., str]) -> None:
    assert run_main("generate.py", f"run={run}", TRUST, "n=4", "out=four.npz") == ""
    with np.load(tmp_path / "four.npz") as file:
        images = file["images"]
    assert images.shape == (4, 3, 16, 16)
    first = np.asarray(Image.open(run / "samples" / "epoch=003.png"))[4:36:2, 4:36:2]
    assert np.array_equal(images[0].transpose(1, 2, 0), first)


def test_it_is_evaluated_against_its_own_images(run: Path, run_main: Callable[..., str]) -> None:
    assert run_main("evaluate.py", f"run={run}", TRUST, "n=20") == ""
    found = json.loads((run / "evaluation.json").read_text())
    (run / "evaluation.json").unlink()
    for name in ("nearest_distance", "colours"):
        assert found["figures"][name] == pytest.approx(result(run)[name])
        assert found["floor"][name] == pytest.approx(result(run)[f"{name}_floor"])


@pytest.mark.slow
def test_it_is_swept_over(tmp_path: Path) -> None:
    swept = ("sweep=own", "model.penalty_weight=0.1,1.0")
    process = command("train.py", "-m", *OWN, *swept, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    with (tmp_path / "multirun" / "own" / "summary.csv").open(newline="") as file:
        jobs = list(csv.DictReader(file))
    assert sorted(job["model.penalty_weight"] for job in jobs) == ["0.1", "1.0"]
    assert all(job["objective"] == job["colours"] for job in jobs)
    assert "Finished already, colours" in command("train.py", "-m", *OWN, *swept, cwd=tmp_path).stdout


@pytest.mark.parametrize("typed", [("train.py", "resume={}"), ("generate.py", "run={}"), ("evaluate.py", "run={}")])
def test_of_a_strangers_folder_nothing_is_imported(run: Path, tmp_path: Path, typed: tuple[str, str]) -> None:
    package = tmp_path / "strange.py"
    package.write_text(
        "from pathlib import Path\nPath('imported').touch()\nfrom examples.own_method.shapes import Shapes\n"
    )
    folder = tmp_path / "run"
    (folder / ".hydra").mkdir(parents=True)
    text = (run / ".hydra" / "config.yaml").read_text().replace("examples.own_method.shapes.", "strange.")
    (folder / ".hydra" / "config.yaml").write_text(text)
    (folder / "generator.safetensors").write_bytes((run / "generator.safetensors").read_bytes())
    (folder / "result.json").write_bytes((run / "result.json").read_bytes())
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    script, argument = typed
    longer = ("trainer.max_epochs=4",) if script == "train.py" else ()
    process = Process(script, argument.format(folder), *longer, cwd=tmp_path, env=environment)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    line = told.splitlines()[-1]
    assert line.startswith("error: ")
    assert "_target_=strange.Shapes: is not of wgan, torch, pytorch_lightning" in line or "examples." in line
    assert "add 'trust=[" in line
    assert not (tmp_path / "imported").exists()


def make(**typed: object) -> WGAN:
    optimizer = torch.optim.SGD
    settings = {"latent_dim": 3, "n_critic": 1, "critic_update": "joint", "seed": 0, "image_shape": GREY_28}
    clip = {"clip_value": 0.01, "clip_scope": "all"} if "lipschitz" not in typed else {}
    both = {"critic_optimizer": lambda p: optimizer(p, lr=0.1), "generator_optimizer": lambda p: optimizer(p, lr=0.1)}
    return WGAN(**(settings | clip | both | typed))  # type: ignore[arg-type]


def plain_generator(latent_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(latent_dim, 28 * 28), nn.Unflatten(1, (1, 28, 28)))


class WithEmbedding(nn.Module):
    """A critic that looks up what it draws at its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, 28 * 28)

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.embedding.weight[:1].T


def test_any_network_is_built_under_the_seed() -> None:
    def weights(seed: int) -> Tensor:
        module = make(generator=plain_generator, critic=WithEmbedding, seed=seed)
        return torch.cat([parameter.flatten() for parameter in module.parameters()])

    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = weights(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)


def test_layers_in_a_configuration_are_built_under_the_seed_too() -> None:
    layer = "{_target_:torch.nn.Linear,in_features:50,out_features:784}"
    shape = "{_target_:torch.nn.Unflatten,dim:1,unflattened_size:[1,28,28]}"
    typed = f"+model.generator={{_target_:torch.nn.Sequential,_args_:[{layer},{shape}]}}"
    first, second = (build_model(configuration(typed), GREY_28).generator.state_dict() for _ in range(2))
    assert list(first) == ["0.weight", "0.bias"]
    assert torch.equal(first["0.weight"], second["0.weight"])


def test_networks_get_the_sizes_that_they_name() -> None:
    seen: dict[str, object] = {}

    def spy(latent_dim: int, label_dim: int, image_shape: tuple[int, int, int], **rest: object) -> nn.Module:
        seen.update(latent_dim=latent_dim, label_dim=label_dim, image_shape=image_shape, **rest)
        return plain_generator(latent_dim)

    make(generator=spy, critic=lambda image_shape: Critic(image_shape=image_shape))
    assert seen == {"latent_dim": 3, "label_dim": 0, "image_shape": (1, 28, 28)}
    with pytest.raises(UserError, match=r"must make an nn.Module, and makes a int"):
        make(generator=lambda: 5)


def test_the_projects_networks_take_other_images() -> None:
    shape = (3, 16, 24)
    images = Generator(latent_dim=3, image_shape=shape, channels=4)(torch.zeros(2, 3))
    assert images.shape == (2, *shape)
    assert Critic(image_shape=shape, channels=4)(images).shape == (2, 1)
    with pytest.raises(UserError, match="images of 18 x 28: the project's networks need multiples of 4; bring your"):
        Critic(image_shape=(1, 18, 28))


def test_a_critic_of_which_nothing_would_be_clipped_is_refused() -> None:
    line = r"model.clip_scope=kernels: would clip nothing of test_own_method.WithEmbedding, which has no such weights"
    with pytest.raises(UserError, match=line):
        make(critic=WithEmbedding, clip_scope="kernels")


class OnlyPenalty(LipschitzMethod):
    def penalty(self, critic: nn.Module, real: Tensor, generated: Tensor, rng: np.random.Generator) -> float:
        return float(rng.random())


def test_a_penalty_needs_joint_updates() -> None:
    with pytest.raises(UserError, match=r"model.critic_update=alternating: OnlyPenalty has a penalty"):
        make(lipschitz=OnlyPenalty, critic_update="alternating")
    assert isinstance(make(lipschitz=OnlyPenalty).lipschitz, OnlyPenalty)
    assert isinstance(make(critic_update="alternating").lipschitz, WeightClipping)


def test_a_class_of_ones_own_is_typed_and_a_name_that_leads_nowhere_told(
    run_main: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mynets.py").write_text(
        "from torch import nn\nfrom wgan.model.wgan import WGAN\n"
        "class Critic(nn.Sequential):\n"
        "    def __init__(self): super().__init__(nn.Conv2d(1, 1, 28), nn.Flatten())\n"
        "class Mine(WGAN):\n    pass\n"
    )
    typed = [each for each in BARE if not each.startswith("+model.critic")]
    own = ("model.critic._target_=mynets.Critic", "model._target_=mynets.Mine")
    assert run_main("train.py", *typed, *own, "hydra.run.dir=run") == ""
    kernels = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert kernels["critic.0.weight"].abs().max() <= 0.01
    line = "error: model.critic._target_=mynets.Nothing: there is no such class"
    assert run_main("train.py", *typed, "model.critic._target_=mynets.Nothing") == line
    line = "error: model.lipschitz._target_=mynets.Critic: must be a kind of LipschitzMethod"
    assert run_main("train.py", *typed, "model.lipschitz._target_=mynets.Critic") == line
    sys.modules.pop("mynets")


@pytest.mark.parametrize(
    ("figure", "line"),
    [
        ("x=5", "callbacks.quality.figures.x=5: must have a _target_, a function or a class of torchmetrics"),
        (
            "recall={_target_:math.hypot}",
            "callbacks.quality.figures.recall: must have another name, of letters, digits",
        ),
        ("x={_target_:math.nothing}", "callbacks.quality.figures.x._target_=math.nothing: there is no such class"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(
    run_main: Callable[..., str], tmp_path: Path, figure: str, line: str
) -> None:
    message = run_main("train.py", *TINY, f"+callbacks.quality.figures.{figure}", "hydra.run.dir=run")
    assert message.startswith(f"error: {line}")
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_a_metric_of_torchmetrics_is_a_figure(run_main: Callable[..., str], tmp_path: Path) -> None:
    mean = "+callbacks.quality.figures.mean={_target_:torchmetrics.MeanMetric}"
    assert run_main("train.py", *TINY, mean, "objective=-mean", "hydra.run.dir=run") == ""
    found = result(tmp_path / "run")
    images = samples_of(tmp_path / "run", 12)
    assert found["mean"] == pytest.approx(images.float().mean().item(), rel=1e-5)
    assert found["objective"] == -found["mean"]
    assert 20 < found["mean_floor"] < 40  # of sevens


def test_a_figure_added_later_has_its_own_column(run_main: Callable[..., str], tmp_path: Path) -> None:
    assert run_main("train.py", *TINY, "hydra.run.dir=run") == ""
    path = tmp_path / "run" / ".hydra" / "config.yaml"
    text = path.read_text().replace(
        "    every_n_epochs: 1\n", "    every_n_epochs: 1\n    figures: {mean: {_target_: torchmetrics.MeanMetric}}\n"
    )
    path.write_text(text)
    assert run_main("train.py", "resume=run", "trainer.max_epochs=2", "trust=[torchmetrics]") == ""
    first, second, end = rows(tmp_path / "run", "quality.csv")
    assert first["mean"] == ""
    assert float(second["mean"]) > 0
    assert float(first["fid_mnist"]) > 0
    assert end["samples"] == "12"


def test_an_objective_that_is_not_measured_is_refused(run_main: Callable[..., str]) -> None:
    line = "objective=fid_mnist: is not measured of these images; choose one of nearest_distance, colours, wasserstein"
    assert run_main("train.py", *OWN, "objective=fid_mnist").startswith(f"error: {line}")
    assert run_main("train.py", *TINY, "objective=colours").startswith("error: objective=colours: must be one of fid")


def test_a_strangers_generator_of_any_size_takes_no_memory(run_main: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / ".hydra").mkdir(parents=True)
    (folder / "generator.safetensors").touch()
    cfg = configuration(*TINY)
    cfg.model.generator.channels = 1_000_000
    (folder / ".hydra" / "config.yaml").write_text(OmegaConf.to_yaml(cfg))
    line = "error: run=run: generator.safetensors or .hydra/config.yaml is damaged; name another run"
    assert run_main("generate.py", "run=run") == line
    outcome = {"status": "finished", "iterations": 1, "max_epochs": 1, "objective": 0, "image_shape": [1, 5000, 28]}
    (folder / "result.json").write_text(json.dumps(outcome))
    cfg.model.generator.channels = 8
    (folder / ".hydra" / "config.yaml").write_text(OmegaConf.to_yaml(cfg))
    assert run_main("generate.py", "run=run") == line
