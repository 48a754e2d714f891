import pytest
import torch
from torch import nn

from wgan.model.clipping import WeightClipping
from wgan.model.networks import Critic

KERNELS = {"0.weight", "3.weight"}


def critic_with_wide_weights() -> Critic:
    critic = Critic()
    for parameter in critic.parameters():
        nn.init.uniform_(parameter, -1.0, 1.0, generator=torch.Generator().manual_seed(0))
    return critic


@pytest.mark.parametrize(
    ("clip_scope", "clipped"), [("kernels", KERNELS), ("all", dict(Critic().named_parameters()).keys())]
)
def test_clip_moves_the_weights_in_scope_to_the_nearest_bound_and_no_others(clip_scope: str, clipped: set[str]) -> None:
    critic = critic_with_wide_weights()
    before = {name: parameter.detach().clone() for name, parameter in critic.named_parameters()}
    WeightClipping(clip_value=0.25, clip_scope=clip_scope).project(critic)
    for name, parameter in critic.named_parameters():
        expected = before[name].clamp(-0.25, 0.25) if name in clipped else before[name]
        assert torch.equal(parameter, expected), name


def test_all_means_every_parameter_of_the_critic() -> None:
    assert (
        sum(weight.numel() for weight in WeightClipping(clip_value=0.01, clip_scope="all").weights(Critic())) == 70_081
    )
    assert (
        sum(weight.numel() for weight in WeightClipping(clip_value=0.01, clip_scope="kernels").weights(Critic()))
        == 64 * 16 + 64 * 64 * 16
    )


def test_saturation_counts_weights_at_both_bounds() -> None:
    critic = Critic()
    with torch.no_grad():
        for name in KERNELS:
            critic.get_parameter(name).zero_()
        critic.get_parameter("3.weight")[0] = 0.02
        critic.get_parameter("3.weight")[1] = -0.02
    clipping = WeightClipping(
        clip_value=0.01, clip_scope="kernels"
    )  # 0.01 is no float32: the bound and the weight must round alike
    clipping.project(critic)
    assert clipping.figures(critic)["clip_saturation"].item() == pytest.approx(2 * 1024 / 66_560)
