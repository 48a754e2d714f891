import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import command, interpreter, measure_imports, used_cpu
from processes import Process

from wgan.run.rules import RULES

BAD = [
    ("model.n_critc=5", "model.n_critc=5: no such key; did you mean model.n_critic?"),
    ("modle.n_critic=5", "modle.n_critic=5: no such key; did you mean model?"),
    ("zzz=5", "zzz=5: no such key; there are seed, objective, optimizer, sweep, rerun, fail_fast, jobs_per_gpu, "
     "logger, model, data, trainer, callbacks"),
    ("lr=1e-4", "lr=1e-4: no such key; did you mean optimizer.lr?"),
    ("+lr=1e-4", "lr=0.0001: no such key; --help lists all"),
    ("model.critic_optimizer.lr=1", "model.critic_optimizer.lr=1: no such key; see --help"),
    ("optimizer=adm", "optimizer=adm: no such choice; choose one of adam, rmsprop"),
    ("experiment=papr", "experiment=papr: no such choice; choose one of best, fast, gradient_penalty, lucic2018, "
     "paper, paper_schedule, smoke, spectral_norm, stacked_mnist, tutorial"),
    ("data=cifar", "data=cifar: no such choice; choose one of emnist, fashion_mnist, images, kmnist, mnist, "
     "stacked_mnist"),
    ("model=wgam", "model=wgam: no such choice; choose one of wgan"),
    ("model=null", "model=null: must be one of the group's choices, which --help lists"),
    ("model.n_critic=0", "model.n_critic=0: must be a whole number from 1 to 10000"),
    ("model.n_critic=2.5", "model.n_critic=2.5: must be a whole number from 1 to 10000"),
    ("model.n_critic=true", "model.n_critic=True: must be a whole number from 1 to 10000"),
    ("model.n_critic=1000000000", "model.n_critic=1000000000: must be a whole number from 1 to 10000"),
    ("model.n_critic=1,5", "Ambiguous value for argument 'model.n_critic=1,5'; 1. To use it as a list, use "
     "key=[value1,value2]; 2. To use it as string, quote the value: key=\\'value1,value2\\'; 3. To sweep over it, add "
     "--multirun to your command line"),
    ("~model.n_critic", "model.n_critic: must be given, as model.n_critic=..."),
    ("~model.clip_value", "~model.clip_value: refused (WeightClipping.__init__() missing 1 required keyword-only "
     "argument: 'clip_value'); --cfg job shows what is there by default"),
    ("model.latent_dim=0", "model.latent_dim=0: must be a whole number from 1 to 100000"),
    ("model.latent_dim=[50]", "model.latent_dim=[50]: must be a whole number from 1 to 100000"),
    ("model.latent_dim=1000000000", "model.latent_dim=1000000000: must be a whole number from 1 to 100000"),
    ("model.clip_value=inf", "model.clip_value=inf: must be a number above 0, such as 0.01"),
    ("model.clip_value=", "model.clip_value=: must be a number above 0, such as 0.01"),
    ("optimizer.critic=5", "optimizer.critic=5: must be the settings of an optimizer, as --cfg job shows them"),
    ("~optimizer.generator", "optimizer.generator: must be given, as optimizer.generator=..."),
    ("optimizer.critic._partial_=false", "optimizer.critic._partial_=false: no such key; there are "
     "optimizer.critic._target_, optimizer.critic.lr, optimizer.critic.alpha"),
    ("+optimizer.critic.weight_decay=-1", "optimizer.critic.weight_decay=-1: refused (Invalid weight_decay value: -1); "
     "--cfg job shows what is there by default"),
    ("+optimizer.critic.momentum=nan", "optimizer.critic.momentum=nan: refused (Invalid momentum value: nan); "
     "--cfg job shows what is there by default"),
    ("optimizer.betas=[0,0.9]", "optimizer.betas=[0,0.9]: no such key; there are optimizer.decay, optimizer.lr, "
     "optimizer.alpha, optimizer.critic, optimizer.generator"),
    ("optimizer.alpha=nan", "optimizer.alpha=nan: must be a number in [0, 1), such as 0.99"),
    ("data.digit=[3", "data.digit=[3: not understood; write key=value, and a list as 'key=[3,8]'"),
    ("data.digit=[3,12]", "data.digit=[3, 12]: must be a digit from 0 to 9, a list of them such as [3,8], or all"),
    ("data.digit=[[3]]", "data.digit=[[3]]: must be a digit from 0 to 9, a list of them such as [3,8], or all"),
    ("data.digit=true", "data.digit=True: must be a digit from 0 to 9, a list of them such as [3,8], or all"),
    ("data.batch_size=64.0", "data.batch_size=64.0: must be an even number, 2 or more: a critic step takes half a "
     "batch"),
    ("seed=1.5", "seed=1.5: must be a whole number from 0 to 18446744073709551615"),
    ("seed=null", "seed=None: must be a whole number from 0 to 18446744073709551615"),
    ("~seed", "seed: must be given, as seed=..."),
    ("seed", "seed: not understood; write key=value, and a list as 'key=[3,8]'"),
    ("resume=nowhere", "resume={cwd}/nowhere: not a run's folder; name one that train.py made, such as "
     "outputs/DATE/TIME"),
    ("resume=", "resume=: must name the folder of a run, such as outputs/DATE/TIME"),
    ("+resume=x", "resume=x: no such key; --help lists all"),
    ("~trainer.max_epochs", "trainer.max_epochs: must be given, as trainer.max_epochs=..."),
    ("trainer.max_epochs=1e3", "trainer.max_epochs=1000.0: must be a whole number, 1 or more"),
    ("trainer.limit_train_batches=nan", "trainer.limit_train_batches=nan: must be a share in (0, 1], such as 1.0, or a "
     "whole number of iterations"),
    ("trainer.deterministic=maybe", "trainer.deterministic=maybe: must be true or false"),
    ("trainer.enable_model_summary=7", "trainer.enable_model_summary=7: must be true or false"),
    ("+trainer.strategy=ddp", "trainer.strategy=ddp: a run is one process on one device; sweeps run in parallel"),
    ("+trainer.max_time=1", "trainer.max_time=1: a run has trainer.max_epochs epochs; interrupt it, and resume=FOLDER "
     "goes on"),
    ("+trainer.fast_dev_run=true", "trainer.fast_dev_run=True: set experiment=smoke"),
    ("+trainer.profiler=nosuch", "trainer.profiler=nosuch: refused (When passing string value for the `profiler` "
     "parameter of `Trainer`, it can only be one of ['simple', 'advanced', 'pytorch', 'xla']); --cfg job shows what is "
     "there by default"),
    ("callbacks.quality.final_n=1000000000000", "callbacks.quality.final_n=1000000000000: must be auto, or a whole "
     "number from 10 to 1000000"),
    ("callbacks.samples=null", "callbacks.samples=None: must be a callback's settings; "
     "'~callbacks.samples' removes it"),
    ("callbacks.divergence.warn_above=0", "callbacks.divergence.warn_above=0: must be a number above 0, such as 500"),
    ("callbacks.divergence.warn_above=nan", "callbacks.divergence.warn_above=nan: must be a number above 0, such as "
     "500"),
    ("callbacks.checkpoints.filename=5", "callbacks.checkpoints.filename=5: must be {epoch:03d}"),
    ("callbacks.checkpoints.save_last=maybe", "callbacks.checkpoints.save_last=maybe: must be true or false"),
    ("+callbacks.checkpoints.every_n_train_steps=11", "callbacks.checkpoints.every_n_train_steps=11: runs go on from "
     "ends of epochs only; set every_n_epochs"),
    ("+callbacks.checkpoints.monitor=foo", "callbacks.checkpoints.monitor=foo: must be one of fid_mnist, "
     "kid_mnist, precision, recall, density, coverage, digit_share, nearest_distance, class_accuracy, wasserstein, c1, "
     "c2, g"),
    ("callbacks.checkpoints.filename=\"{epoch}-{c2:.2f}\"", "callbacks.checkpoints.filename={epoch}-{c2:.2f}: must be "
     "{epoch:03d}"),
    ("optimizer.critic._target_=torch.optim.SparseAdam", "optimizer.critic._target_=torch.optim.SparseAdam: needs "
     "closures or sparse gradients; choose another optimizer"),
    ("model.clip_value=1e-50", "model.clip_value=1e-50: must be a number above 0, such as 0.01"),
    ("optimizer.lr=1" + 400 * "0", "optimizer.lr=1" + 400 * "0" + ": must be a number above 0, such as 5e-5"),
    ("callbacks=none", "callbacks=none: no such choice; choose one of default"),
    ("model.clip_value=-1", "model.clip_value=-1: must be a number above 0, such as 0.01"),
    ("model.clip_value=nan", "model.clip_value=nan: must be a number above 0, such as 0.01"),
    ("model.clip_scope=most", "model.clip_scope=most: must be one of kernels, all"),
    ("model.compile=maybe", "model.compile=maybe: must be true or false"),
    ("model.tf32=2", "model.tf32=2: must be true or false"),
    ("model.critic_update=both", "model.critic_update=both: must be one of alternating, joint"),
    ("+model.width=3", "model.width=3: no such key; WeightClipping does not take it"),
    ("+trainer.widht=3", "trainer.widht=3: no such key; Trainer does not take it"),
    ("+optimizer.critic.mu=3", "optimizer.critic.mu=3: no such key; RMSprop does not take it"),
    ("+data.mu=3", "data.mu=3: no such key; MNISTDigits does not take it"),
    ("+data.foo.bar=3", "data.foo.bar=3: no such key; MNISTDigits does not take it"),
    ("+model.x.y=1", "model.x.y=1: no such key; WeightClipping does not take it"),
    ("+optimizer.weight_decay=0.5", "optimizer.weight_decay=0.5: nothing reads it; set optimizer.critic.weight_decay "
     "and optimizer.generator.weight_decay"),
    ("+optimizer.x.y=1", "optimizer.x.y=1: nothing reads it; set optimizer.critic.y and optimizer.generator.y"),
    ("+search=clipping", "+search=clipping: is for sweeps; add -m, or leave it out"),
    ("+prune=median", "+prune=median: is for sweeps; add -m, or leave it out"),
    ("+parallel=local", "+parallel=local: is for sweeps; add -m, or leave it out"),
    ("hydra/launcher=joblib", "hydra/launcher=joblib: is for sweeps; add -m, or leave it out"),
    ("hydra.sweep.dir=x", "hydra.sweep.dir=x: is for sweeps; add -m, or leave it out"),
    ("model.clip_value=1e300", "model.clip_value=1e+300: must be at most 3.4e+38, the largest number of float32"),
    ("optimizer.lr=1e300", "optimizer.lr=1e+300: must be at most 3.4e+38, the largest number of float32"),
    ("+optimizer.critic.weight_decay=1e300", "optimizer.critic.weight_decay=1e+300: must be at most 3.4e+38, the "
     "largest number of float32"),
    ("model/generator=x", "model/generator=x: no such choice; choose one of dcgan"),
    ("--resolve", "The --resolve flag can only be used in conjunction with --cfg or --help"),
    ("optimizer.lr=fast", "optimizer.lr=fast: must be a number above 0, such as 5e-5"),
    ("optimizer.lr=0", "optimizer.lr=0: must be a number above 0, such as 5e-5"),
    ("optimizer.critic.lr=-1", "optimizer.critic.lr=-1: must be a number above 0, such as 5e-5"),
    ("optimizer.generator.lr=inf", "optimizer.generator.lr=inf: must be a number above 0, such as 5e-5"),
    ("optimizer.alpha=1", "optimizer.alpha=1: must be a number in [0, 1), such as 0.99"),
    ("data.digit=12", "data.digit=12: must be a digit from 0 to 9, a list of them such as [3,8], or all"),
    ("data.digit=[]", "data.digit=[]: must be a digit from 0 to 9, a list of them such as [3,8], or all"),
    ("data.digit=seven", "data.digit=seven: must be a digit from 0 to 9, a list of them such as [3,8], or all"),
    ("data.batch_size=1", "data.batch_size=1: must be an even number, 2 or more: a critic step takes half a batch"),
    ("data.batch_size=63", "data.batch_size=63: must be an even number, 2 or more: a critic step takes half a batch"),
    ("data.batch_size=6266", "data.batch_size=6266: must be at most 6265, the number of images with data.digit=7"),
    ("seed=-1", "seed=-1: must be a whole number from 0 to 18446744073709551615"),
    ("trainer.max_epochs=0", "trainer.max_epochs=0: must be a whole number, 1 or more"),
    ("trainer.devices=2", "trainer.devices=2: must be 1; CUDA_VISIBLE_DEVICES=2, say, chooses among several GPUs"),
    ("trainer.devices=1.0", "trainer.devices=1.0: must be 1; CUDA_VISIBLE_DEVICES=2, say, chooses among several GPUs"),
    ("trainer.log_every_n_steps=fast", "trainer.log_every_n_steps=fast: must be a whole number, 1 or more"),
    ("trainer.limit_train_batches=2.5", "trainer.limit_train_batches=2.5: must be a share in (0, 1], such as 1.0, or a "
     "whole number of iterations"),
    ("data.n_critic=3", "data.n_critic=3: must be as model.n_critic; set model.n_critic alone"),
    ("model.seed=3", "model.seed=3: must be as seed; set seed alone"),
    ("callbacks.samples.seed=-3", "callbacks.samples.seed=-3: must be a whole number from 0 to 18446744073709551615"),
    ("model=3", "model=3: must be one of the group's choices, which --help lists"),
    ("~callbacks", "callbacks=None: must be one of the group's choices, which --help lists"),
    ("data.root=/dev/null", "data.root=/dev/null: Not a directory; name a folder that exists or can be made"),
    ("hydra.run.dir=/dev/null/run", "/dev/null/run: Not a directory; name a path that can be used"),
    ("trainer.precision=8", "trainer.precision=8: must be one of 32-true, bf16-mixed, 16-mixed"),
    ("trainer.accelerator=tpu", "trainer.accelerator=tpu: must be one of auto, cpu, gpu"),
    ("trainer.max_steps=5", "trainer.max_steps=5: Lightning counts every optimizer step, 11 an iteration by default; "
     "set trainer.max_epochs, and trainer.limit_train_batches for the iterations of an epoch"),
    ("+trainer.max_steps=5", "trainer.max_steps=5: Lightning counts every optimizer step, 11 an iteration by default; "
     "set trainer.max_epochs, and trainer.limit_train_batches for the iterations of an epoch"),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "line"), BAD, ids=[argument[:60] for argument, _ in BAD])
def test_bad_input_ends_in_one_line(
    run_main: Callable[..., str], tmp_path: Path, imports: float, argument: str, line: str
) -> None:
    import wgan.run.fitting  # noqa: F401, its seconds of import do not count

    found: list[str] = []
    assert used_cpu(lambda: found.append(run_main("train.py", argument))) < imports / 2
    assert found == ["error: " + line.replace("{cwd}", str(tmp_path))]
    assert not list(tmp_path.rglob("result.json"))
    assert not list(tmp_path.rglob("*.ckpt"))


def test_the_name_of_a_sweep_is_judged_at_once(tmp_path: Path) -> None:
    name = "comparison_of_clip_values_and_learning_rates, 2 seeds"
    process = command("train.py", "-m", f"sweep='{name}'", "seed=0,1", cwd=tmp_path, timeout=60)
    line = f"error: sweep={name}: must be a folder's name, of letters, digits and _.=+-"
    assert (process.returncode, process.stderr.splitlines()[-1]) == (1, line)


@pytest.mark.parametrize(
    ("name", "holds"),
    [("grid", True), ("2026-11-28/02-36-07", True), ("/a/b.c=1+d-e", True), ("a//b", False), ("a/", False),
     (".a", False), ("../a", False), ("a/../b", False), ("a b", False), ("", False), (50_000 * "a" + ",", False)],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_names_of_sweeps(name: str, holds: bool) -> None:
    assert RULES["sweep"].holds(name) == holds


@pytest.mark.parametrize("argument", ["trainer=gpu", "trainer.accelerator=gpu"])
def test_gpu_without_a_gpu(run_main: Callable[..., str], monkeypatch: pytest.MonkeyPatch, argument: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    remedy = "PyTorch finds no GPU here; set trainer.accelerator=auto or cpu"
    assert run_main("train.py", argument) == f"error: trainer.accelerator=gpu: {remedy}"


@pytest.mark.parametrize("trainer", ["cpu", "auto"])
def test_16_mixed_without_a_gpu(run_main: Callable[..., str], monkeypatch: pytest.MonkeyPatch, trainer: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: trainer == "cpu")
    remedy = "needs a GPU; set trainer.precision=bf16-mixed or 32-true"
    found = run_main("train.py", f"trainer={trainer}", "trainer.precision=16-mixed")
    assert found == f"error: trainer.precision=16-mixed: {remedy}"


def test_what_lightning_refuses_is_one_line_too(run_main: Callable[..., str]) -> None:
    for argument, reason in (
        ("+trainer.gradient_clip_val=1", "gradient clipping is not supported for manual optimization"),
        ("trainer.limit_train_batches=0.001", "Try at least `limit_train_batches=0.01"),
    ):
        message = run_main("train.py", argument)
        assert message.startswith("error: trainer: ")
        assert reason in message
        assert "\n" not in message


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("+optimizer.critic.capturable=true", "optimizer.critic.capturable=true: refused (If capturable=True"),
        ("+optimizer.critic.differentiable=true", "the first iteration: refused (a leaf Variable that requires grad"),
        ("+trainer.val_check_interval=2", "trainer.val_check_interval=2: refused (`val_check_interval` (2) must be"),
        ("+model.generator.latent_dim=5", "the first iteration: refused (mat1 and mat2 shapes cannot"),
        ("+model.generator.channels=-3", "model: refused (Trying to create tensor with negative dimension"),
        ("+callbacks.x={_target_:pytorch_lightning.callbacks.GradientAccumulationScheduler,scheduling:{4:2}}",
         "the first iteration: refused (Automatic gradient accumulation"),
    ],
    ids=lambda value: value[:40],
)  # fmt: skip
def test_what_the_first_iteration_finds_is_one_line_too(run_main: Callable[..., str], argument: str, line: str) -> None:
    short = ("trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=1", "data.batch_size=4")
    message = run_main("train.py", *short, "~callbacks.quality", "objective=wasserstein", argument)
    assert message.startswith(f"error: {line}")
    assert "\n" not in message


@pytest.mark.parametrize("argument", ["model.n_critic=0", "model.n_critc=5"])
def test_bad_input_on_the_real_command_line(tmp_path: Path, argument: str) -> None:
    process = command("train.py", argument, cwd=tmp_path)
    assert process.returncode == 1
    assert process.stdout == ""
    (line,) = process.stderr.splitlines()
    assert line.startswith(f"error: {argument}: ")


def test_too_large_for_the_memory(tmp_path: Path) -> None:
    process = Process("train.py", "model.latent_dim=100000", cwd=tmp_path, limits={"RLIMIT_AS": 4 * 2**30})
    line = "error: data.batch_size, model.n_critic, model.latent_dim: too large for the memory; lower one of them"
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err.splitlines()[-1]) == (1, line)
    assert "Traceback" not in err


def test_resume_takes_no_sweep(run_main: Callable[..., str]) -> None:
    line = "error: resume=x: continues one run; leave out -m"
    assert run_main("train.py", "-m", "resume=x", "seed=1,2") == line


def test_bad_value_in_a_sweep(tmp_path: Path) -> None:
    process = command("train.py", "-m", "model.n_critic=0", "seed=1", cwd=tmp_path)
    line = "error: model.n_critic=0: must be a whole number from 1 to 10000\n"
    assert (process.returncode, process.stderr) == (1, line)


def test_a_key_that_nothing_reads_in_a_sweep(tmp_path: Path) -> None:
    process = command("train.py", "-m", "+optimizer.momentum=0.5,0.9", cwd=tmp_path)
    line = "nothing reads it; set optimizer.critic.momentum and optimizer.generator.momentum"
    assert (process.returncode, process.stderr) == (1, f"error: optimizer.momentum=0.5: {line}\n")
    assert not list(tmp_path.rglob("*.ckpt"))


def test_full_error_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    process = command("train.py", "model.n_critic=0", cwd=tmp_path)
    assert process.returncode == 1
    assert "Traceback" in process.stderr
    assert process.stderr.splitlines()[-1].endswith("model.n_critic=0: must be a whole number from 1 to 10000")


def test_errors_of_the_program_keep_their_traceback(
    run_main: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wgan.run.training.check_training", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_main("train.py")


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["optimizer=adm"], ["model.n_critc=5"]], ids=str)
def test_answers_that_need_no_pytorch_come_at_once(tmp_path: Path, imports: float, arguments: list[str]) -> None:
    def answer() -> None:
        interpreter("train.py", *arguments, cwd=tmp_path)

    # The machine may have another speed by now: then both are measured, one after the other.
    assert used_cpu(answer) < imports / 3 or used_cpu(answer) < measure_imports() / 3


def test_help_imports_neither_pytorch_nor_lightning(
    run_main: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "wgan"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("torch", "pytorch_lightning", "torchvision"):
        monkeypatch.setitem(sys.modules, name, None)  # an import would raise
    assert run_main("train.py", "--help") == "0"
    assert run_main("generate.py", "--help") == "0"
    assert run_main("train.py", "model.n_critc=5").startswith("error: model.n_critc=5: no such key")


def test_help_shows_every_key_and_its_choices(tmp_path: Path) -> None:
    text = command("train.py", "--help", cwd=tmp_path).stdout
    experiments = (
        "experiment: best, fast, gradient_penalty, lucic2018, paper, paper_schedule, smoke, spectral_norm, "
        "stacked_mnist, tutorial"
    )
    for line in ("optimizer: adam, rmsprop", "trainer: auto, cpu, gpu", experiments):
        assert line in text
    assert "clip_value: 0.01" in text
    assert "model.clip_scope: one of kernels, all\n" in text
    assert "callbacks.quality.final_n: auto, or a whole number from 10 to 1000000\n" in text
