import json
import time
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from conftest import BARE, Run, configuration, post, tensorboard
from omegaconf import OmegaConf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from wgan.callbacks.tensorboard import list_hyperparameters
from wgan.quality.ranking import FIGURES_OF_IMAGES
from wgan.run.training import train


def events_of(folder: Path) -> EventAccumulator:
    """A reader of the real event files; keeps every event."""
    return EventAccumulator(str(folder), size_guidance=dict.fromkeys(("scalars", "images", "histograms"), 0)).Reload()


def test_curves_have_a_point_an_iteration(smoke_run: Run) -> None:
    events = events_of(smoke_run.folder)
    columns = {
        "critic/loss_real": "c1",
        "critic/loss_fake": "c2",
        "generator/loss": "g",
        "critic/wasserstein": "wasserstein",
    }
    quality = {f"{place}/{name}" for place in ("quality", "quality_final") for name in FIGURES_OF_IMAGES}
    critic = {f"lipschitz/{name}" for name in ("gradient_norm_real", "gradient_norm_generated", "clip_saturation")}
    assert set(events.Tags()["scalars"]) == {*columns, *quality, *critic}
    metrics = np.genfromtxt(smoke_run.folder / "metrics.csv", delimiter=",", names=True)
    for tag, column in columns.items():
        points = events.Scalars(tag)
        assert [point.step for point in points] == list(range(1, 11))
        assert [point.value for point in points] == list(metrics[column])
    times = [point.wall_time for point in events.Scalars("generator/loss")]
    assert all(earlier < later for earlier, later in pairwise(times))


def test_what_each_epoch_adds(smoke_run: Run) -> None:
    events = events_of(smoke_run.folder)
    saturation = events.Scalars("lipschitz/clip_saturation")
    assert [point.step for point in saturation] == [5, 10]
    assert all(0 < point.value <= 1 for point in saturation)
    assert events.Tags()["images"] == ["samples"]
    assert [image.step for image in events.Images("samples")] == [5, 10]
    assert events.Tags()["histograms"] == ["weights/kernel_1", "weights/kernel_2"]
    histogram = events.Histograms("weights/kernel_2")[-1].histogram_value
    assert histogram.num == 8 * 8 * 4 * 4
    assert (histogram.min, histogram.max) == pytest.approx((-0.01, 0.01))


def test_the_image_is_the_saved_grid(smoke_run: Run) -> None:
    shown = events_of(smoke_run.folder).Images("samples")[-1].encoded_image_string
    with Image.open(BytesIO(shown)) as image, Image.open(smoke_run.folder / "samples" / "epoch=002.png") as saved:
        assert image.convert("L").tobytes() == saved.tobytes()


def test_losses_come_first_then_the_quality(smoke_run: Run) -> None:
    groups = [tag.partition("/")[0] for tag in sorted(events_of(smoke_run.folder).Tags()["scalars"])]
    assert list(dict.fromkeys(groups)) == ["critic", "generator", "lipschitz", "quality", "quality_final"]


def test_the_text_tab_has_the_configuration(smoke_run: Run) -> None:
    (event,) = events_of(smoke_run.folder).Tensors("configuration/text_summary")
    (text,) = event.tensor_proto.string_val
    shown = OmegaConf.create(dedent(text.decode()))
    saved = OmegaConf.load(smoke_run.folder / ".hydra" / "config.yaml")
    assert OmegaConf.to_container(shown) == OmegaConf.to_container(saved, resolve=True)


def test_hparams_list_the_hyperparameters(tmp_path: Path) -> None:
    train(configuration(*BARE, "model.clip_value=0.03", "data.digit=[3,8]", "optimizer.critic.lr=1e-4"), tmp_path)
    metadata = events_of(tmp_path).SummaryMetadata("_hparams_/session_start_info")
    content = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
    listed = content.session_start_info.hparams
    assert listed["model.clip_value"].number_value == 0.03
    assert listed["optimizer.critic.lr"].number_value == 1e-4
    assert listed["data.digit"].string_value == "[3, 8]"
    assert listed["data.batch_size"].number_value == 4
    assert set(listed) == list_hyperparameters(configuration()).keys() | {
        *("optimizer.critic.lr", "model.generator.channels", "model.critic.channels")
    }
    assert content.session_start_info.group_name == "/".join(tmp_path.parts[-3:])


def test_hyperparameters_name_each_value_once() -> None:
    assert list_hyperparameters(configuration()) == {
        "seed": 0,
        "model.generator": "wgan.Generator",
        "model.critic": "wgan.Critic",
        "model.lipschitz": "wgan.WeightClipping",
        "model.latent_dim": 50,
        "model.n_critic": 5,
        "model.critic_update": "alternating",
        "model.critic_norm": "batch",
        "model.conditional": False,
        "model.warmup_n_critic": 100,
        "model.warmup_iterations": 0,
        "model.warmup_every": 0,
        "model.ema_decay": "None",
        "model.clip_value": 0.01,
        "model.clip_scope": "kernels",
        "model.tf32": False,
        "optimizer.lr": 5e-5,
        "optimizer.alpha": 0.99,
        "optimizer.decay": "none",
        "optimizer.critic": "torch.optim.RMSprop",
        "optimizer.generator": "torch.optim.RMSprop",
        "data.digit": "7",
        "data.batch_size": 64,
        "trainer.precision": "32-true",
        "trainer.max_epochs": 10,
        "trainer.limit_train_batches": 1.0,
    }
    assert list_hyperparameters(configuration("optimizer.generator.lr=1e-3"))["optimizer.generator.lr"] == 1e-3


def test_hparams_tab_shows_the_final_figures(smoke_run: Run) -> None:
    result = json.loads((smoke_run.folder / "result.json").read_text())
    columns: list[dict[str, object]] = [{"hparam": "model.clip_value"}]
    tags = ("generator/loss", "critic/wasserstein", "quality_final/recall")
    columns += [{"metric": {"tag": tag, "group": ""}} for tag in tags]
    query = {
        "colParams": [column | {"includeInResult": True} for column in columns],
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "aggregationType": "AGGREGATION_AVG",
        "sliceSize": 10,
    }
    with tensorboard(smoke_run.folder.parent, smoke_run.folder.parent, {"run"}) as address:
        for _ in range(60):  # TensorBoard reads on while it answers
            (group,) = json.loads(post(f"{address}data/plugin/hparams/session_groups", query))["sessionGroups"]
            figures = {value["name"]["tag"]: value["value"] for value in group["metricValues"]}
            if figures.get("generator/loss") == result["g"]:
                break
            time.sleep(0.5)
    assert group["hparams"] == {"model.clip_value": 0.01}
    assert figures["generator/loss"] == result["g"]
    assert figures["critic/wasserstein"] == result["wasserstein"]
    assert figures["quality_final/recall"] == result["recall"]
