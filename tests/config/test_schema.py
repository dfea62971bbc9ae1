"""What a configuration may hold. tests/test_train.py checks that the commands refuse it so."""

import copy
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from polyak.config import choices
from polyak.config import parse as parsing
from polyak.config.compose import configured
from polyak.config.resolvers import register
from polyak.errors import ConfigError
from tests.small import ROOT

register()


@functools.cache
def composed(*choices):
    """From the files in conf/, which is what takes Hydra so long."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", overrides=list(choices))


def parse(*overrides, caller=ROOT):
    """Values are put in as Hydra does: tests/config/test_points.py."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    values = [one for one in parsed if not (ROOT / "conf" / one.key_or_group).is_dir()]
    cfg = copy.deepcopy(composed(*(one.input_line for one in parsed if one not in values)))
    ConfigLoaderImpl._apply_overrides_to_config(values, cfg)
    return parsing.parse(parsing.plain(cfg), caller=caller)


def test_the_articles_values_are_the_defaults():
    config = parse()
    assert config.model.target == "polyak.models.small_cnn.SmallCNN"
    assert (config.model.channels, config.model.hidden) == ((32, 64), 256)
    assert config.optimizer.target == "polyak.training.optimizers.sgd.SGD"
    assert (config.optimizer.lr, config.optimizer.momentum) == (0.05, 0.9)
    assert (config.optimizer.nesterov, config.optimizer.weight_decay) == (False, 0.0)
    assert config.schedule.target == "polyak.training.schedules.constant.Constant"
    values = tuple(config.training.model_dump().values())
    assert values == (20, 128, False, 0.0, None, "all", None, "fp32", False, "auto", None)
    assert config.window == range(10, 20)
    assert config.averaging.scheme.target == "polyak.averaging.schemes.uniform.Uniform"
    assert config.dataset.validation == 0


def test_experiment_article_is_the_defaults_on_strictly_svhn():
    article, default = parse("experiment=article"), parse("dataset=svhn")
    assert article.resolved == default.resolved


EVERY_CHOICE = [
    f"{group.name}={choice.relative_to(group).with_suffix('')}"
    for group in sorted((ROOT / "conf").iterdir())
    if group.is_dir() and group.name != "hydra"
    for choice in sorted(group.rglob("*.yaml"))
]


@pytest.mark.parametrize("choice", EVERY_CHOICE)
def test_every_choice_in_conf_is_a_whole_config(choice, arrays):
    files = [f"dataset.train={arrays}/train.npz", f"dataset.test={arrays}/test.npz"]
    needed = {
        "dataset=arrays": files,
        "dataset=folder": ["dataset.train=a", "dataset.test=b"],
        "averaging=ema": ["recording=means", "averaging.scheme.half_life=500"],
        "averaging=explicit": ["averaging.start=18", "averaging.scheme.values=[0.5,0.5]"],
        "averaging=greedy": ["dataset.validation=0.1"],
    }
    group, _, name = choice.partition("=")
    if choice not in needed and "???" in (ROOT / "conf" / group / f"{name}.yaml").read_text():
        with pytest.raises(ConfigError, match="give it a value"):
            parse(choice)
        return
    config = parse(choice, *needed.get(choice, []))
    assert parsing.parse(config.resolved, caller=ROOT).resolved == config.resolved


WRONG = {
    "training.epochs=abc": "training.epochs = 'abc'",
    "training.epochs=2.5": "training.epochs = 2.5",
    "training.epochs=0": "greater than or equal to 1",
    "training.epochs=true": "training.epochs = True",
    "training.epochs=null": "training.epochs = None",
    "training.batch_size=0": "training.batch_size = 0",
    "training.precision=fp16": "training.precision = fp16: allowed: 'fp32' or 'bf16'",
    "training.device=tpu": "training.device = 'tpu'",
    "training.threads=0": "training.threads = 0",
    "optimizer.lr=-0.1": "optimizer.lr = -0.1: input should be greater than 0",
    "optimizer.lr=nan": "optimizer.lr",
    "optimizer.lr=inf": "optimizer.lr",
    "optimizer.lr=fast": "optimizer.lr = 'fast'",
    "optimizer.momentum=1.0": "less than 1",
    "optimizer.weight_decay=-1": "optimizer.weight_decay = -1",
    "optimizer.nesterov=1": "optimizer.nesterov = 1",
    "seed=-1": "seed = -1",
    "seed=1.5": "seed = 1.5",
    "model.channels=[32]": "model.channels",
    "model.channels=[32,0]": "model.channels.1 = 0",
    "dataset.validation=1.5": "dataset.validation = 1.5: allowed: a count",
    "dataset.validation=-3": "dataset.validation = -3",
    "dataset.limit_train=0": "dataset.limit_train = 0",
    "dataset.validation=0.1 dataset.split_seed=-1": "dataset.split_seed = -1: input should be gr",
    "dataset.validation=0.1 dataset.split_seed=1.0": "dataset.split_seed = 1.0: input should be",
    "dataset.validation=0.1 dataset.split_seed=true": "dataset.split_seed = True: input should",
    "dataset.validation=0.1 dataset.split_seed=9223372036854775808": (
        "dataset.split_seed = 9223372036854775808: allowed: integers below 2**63"
    ),
    "dataset.split_seed=${seed}": (
        "dataset.split_seed = 0: there is no validation split to draw; allowed: null, or with "
        "dataset.validation above 0"
    ),
    "seed=7 dataset.validation=0.0 dataset.split_seed=${seed}": "dataset.split_seed = 7: there is",
    "averaging.start=-1": "averaging.start = -1",
    "averaging.start=20": "averaging.start = 20: allowed: below training.epochs = 20",
    "averaging.start=0.5": "averaging.start = 0.5: checkpoints are recorded at epochs' ends",
    "averaging.start=true": "averaging.start = True: allowed: epochs from 0, and a fraction where",
    "averaging.start=.inf": "averaging.start",
    "averaging.of=steps": "averaging.of = steps: no means over steps are recorded; allowed: ",
    "averaging.of=epochs": "averaging.of = epochs: allowed: 'checkpoints' or 'steps'",
    "recording.every=0": "recording.every = 0: allowed: null, a number of steps (1, 2, ...)",
    "recording.every=1.5": "recording.every = 1.5: allowed: null, a number of steps",
    "recording.every=true": "recording.every = True: allowed",
    "recording.keep=0": "recording.keep = 0: allowed: all, epochs, or a number k from 1",
    "recording.keep=some": "recording.keep = 'some': allowed",
    "recording.every=0.5 averaging.stride=2": "averaging.stride = 2: is of epochs' checkpoints",
    "averaging=ema": "averaging = ema: no means over steps",
    "averaging=ema averaging.of=checkpoints averaging.scheme.half_life=3": (
        "averaging.of = checkpoints: ema weights steps; allowed: steps"
    ),
    "averaging=ema recording=means": "averaging.scheme.decay = None, half_life = None: allowed",
    "averaging=ema recording=means averaging.scheme.decay=1.0": "averaging.scheme.decay = 1.0",
    "averaging.end=21": "averaging.end = 21: allowed: at most training.epochs = 20",
    "averaging.end=10": "averaging.start = 10: allowed: below averaging.end = 10",
    "schedule=step schedule.gamma=10.0": "schedule.gamma = 10.0",
    "optimizer.weight_decay=1e39": "optimizer.weight_decay = 1e+39",
    "training.threads=2000": "training.threads = 2000",
    "training.device=cuda:99999": "training.device = 'cuda:99999'",
    "paths.outputs=''": "paths.outputs = ''",
    "paths.trajectories='~/x'": "paths.trajectories = '~/x': allowed: a path",
    "averaging.running=maybe": "averaging.running = 'maybe'",
    "+optimizer.typo=1": "optimizer.typo = 1: there is no such key",
    "+typo=1": "typo = 1: there is no such key",
    "+training.typo.deeper=1": "training.typo",
    "~optimizer.lr": "optimizer.lr: this key is missing",
    "optimizer._target_=os.system": "optimizer._target_ = os.system: allowed: polyak.training.",
    "model._target_=builtins.eval": "model._target_ = builtins.eval: allowed: polyak.models",
    "dataset._target_=shutil.rmtree": "dataset._target_ = shutil.rmtree: allowed",
    "schedule._target_=os.system": "schedule._target_ = os.system: allowed",
    "averaging.scheme._target_=os.system": "averaging.scheme._target_ = os.system: allowed",
    "~optimizer._target_": "optimizer._target_",
    "dataset._target_=polyak.data.svhn.fetch": "dataset._target_ = polyak.data.svhn.fetch: allowed",
    "model._target_=polyak.models.layers.Flatten": "allowed: polyak.models.",
    "schedule._target_=polyak.training.trainer.Trainer": "schedule._target_",
    "optimizer._target_=torch.optim.lr_scheduler.StepLR": "a class of torch.optim",
    "optimizer._target_=torch.optim.sys": "a class of torch.optim",
    "optimizer._target_=torch.hub.load": "a class of torch.optim",
    "optimizer._target_=torch.optim.LBFGS": "a class of torch.optim",
    "averaging.scheme._target_=polyak.averaging.schemes._x.Uniform": "averaging.scheme._target_",
    "averaging.scheme._target_=polyak.averaging.schemes.uniform.Scheme": "averaging.scheme.",
    "averaging.scheme._target_=polyak.averaging.schemes.uniform.Uniform.weights": "allowed",
    "averaging=explicit averaging.scheme.values=[0.5,0.6]": "they sum to 1.1; allowed",
    "averaging=explicit averaging.scheme.values=[0.5,0.5]": (
        "averaging.scheme.values: 2 weights; allowed: 10, one per checkpoint of the window"
    ),
    "averaging=greedy": "averaging.scheme = greedy: needs a validation split",
    "averaging=greedy dataset.validation=0.1 averaging.running=true": (
        "averaging.running = True: allowed: not with greedy"
    ),
    "paths.outputs=${nowhere}": "nowhere",
    "averaging.stride=0": "averaging.stride = 0",
    "averaging.batch_norm=none": "averaging.batch_norm = none: allowed: 'refresh', 'average' or",
    "averaging.refresh.images=0": "averaging.refresh.images = 0",
    "averaging.refresh.batch_size=0": "averaging.refresh.batch_size = 0",
    "dataset.std=0.0": "dataset.std = 0.0: allowed: a number from 1e-06 to 1000, or a list",
    "dataset.mean=[0.5,x]": "dataset.mean = [0.5, 'x']: allowed: a number from -1000",
    "training.label_smoothing=1.5": "training.label_smoothing = 1.5",
    "training.clip_norm=0.0": "training.clip_norm = 0.0",
    "training.decay=none": "training.decay = none: allowed: 'all' or 'weights'",
    "training.init=nowhere.pt": "there is no such file",
    "schedule.per=image": "schedule.per = image: allowed: 'epoch' or 'step'",
    "schedule=swa schedule.swa_lr=0.06": "schedule.swa_lr = 0.06: allowed: at most lr = 0.05",
    "schedule=warmup_cosine schedule.warmup=20.0": "schedule.warmup = 20: allowed: below",
    "schedule=cyclic schedule.start=10 schedule.length=4 averaging.start=18": (
        "averaging.start = 18, averaging.stride = 1: no cycle of the schedule ends in the window; "
        "cycles end at epochs 13, 17"
    ),
    "schedule=cyclic schedule.start=10 schedule.length=2 averaging.stride=2": (
        "averaging.start = 10, averaging.stride = 2: no cycle"
    ),
    "schedule=cyclic schedule.length=50": (
        "schedule.start = 10, length = 50: allowed: a cycle that ends within training.epochs = 20"
    ),
    "schedule=swa training.epochs=4 averaging.start=1": (
        "schedule.start = 10: allowed: at most training.epochs = 4"
    ),
    "augmentation=crop augmentation.pad=0": "augmentation.pad = 0",
    "augmentation._target_=polyak.data.crops.crop": "augmentation._target_",
}


def nested(levels):
    value = {"a": 1}
    for _ in range(levels):
        value = {"a": value}
    return value


IMPOSSIBLE = {
    "huge": (("model", "hidden", 2**63), "model.hidden = 9223372036854775808: allowed: integers"),
    "digits": (("averaging", "end", 10**400), "averaging.end = 1000.*000: allowed: integers below"),
    "endless": (("averaging", "end", 10**5000), "averaging.end = a very long int: allowed: integ"),
    "binary": (("dataset", "name", b"\x00\xff"), r"dataset.name = b'\\x00\\xff': allowed: text, n"),
    "NUL": (("paths", "outputs", "a\0b"), r"paths.outputs = 'a\\x00b': allowed: text without NUL"),
    "surrogate": (
        ("training", "device", "\ud800"),
        r"training.device = '\\ud800': allowed: Unicode",
    ),
    "key": (("model", "\ud800", 1), r"'model.\\ud800': allowed: keys of Unicode text"),
    "colours": (("model", "_target_", "\x1b[31m"), r"model._target_ = \\x1b\[31m: allowed: polyak"),
    "long": (("model", "_target_", "x" * 9999), r"model._target_ = x+\.\.\.x+: allowed: polyak"),
    "a long path": (("training", "init", "x" * 9999), "File name too long"),
    "NaN": (("optimizer", "lr", float("nan")), "optimizer.lr = nan: input should be a finite"),
    "infinity": (("training", "clip_norm", float("inf")), "training.clip_norm = inf: input should"),
    "deep": (("model", "hidden", nested(40)), "nested too deep; allowed: 32 levels"),
    "deepest": (("model", "hidden", nested(100_000)), "nested too deep; allowed: 32 levels"),
}


@pytest.mark.parametrize(("given", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_no_value_can_be_is_one_message_that_can_be_printed(given, message):
    group, key, value = given
    values = parse().resolved
    values[group] = values[group] | {key: value}
    with pytest.raises(ConfigError, match=message) as caught:
        parsing.parse(values, caller=ROOT)
    assert len(str(caught.value)) < 400
    assert "".join(str(caught.value).splitlines()).isprintable()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+model.x=" + "{a:" * 200 + "1" + "}" * 200, "nested too deep to be read"),
        ("averaging.end=" + "1" * 5000, "a number has thousands of digits; allowed: integers"),
        ("name=\x1b[31m", r"name=\\x1b\[31m"),
    ],
    ids=["deep", "digits", "colours"],
)
def test_what_hydra_cannot_read_is_one_message(override, message):
    with pytest.raises(ConfigError, match=message):
        configured([override])


@pytest.mark.parametrize("override", WRONG)
def test_refuses_what_is_wrong_and_says_so(override):
    with pytest.raises(ConfigError) as caught:
        parse(*override.split(" "))
    assert WRONG[override] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_wrong_values_are_all_named():
    with pytest.raises(ConfigError) as caught:
        parse("seed=-1", "training.epochs=0")
    assert [line.split(" = ")[0] for line in str(caught.value).splitlines()] == [
        "training.epochs",
        "seed",
    ]


def test_files_must_be_given_and_be_there(arrays, tmp_path):
    with pytest.raises(ConfigError, match=r"dataset\.train: give it a value"):
        parse("dataset=arrays")
    with pytest.raises(ConfigError, match="there is no such file") as caught:
        parse("dataset=arrays", f"dataset.train={arrays}/train.npz", "dataset.test=no.npz")
    assert "dataset.test" in str(caught.value)


def test_relative_paths_are_the_callers(arrays):
    config = parse(
        "dataset=arrays",
        "dataset.train=train.npz",
        "dataset.test=test.npz",
        "paths.outputs=here",
        caller=arrays,
    )
    assert config.dataset.train == str(arrays / "train.npz")
    assert config.paths.outputs == str(arrays / "here")
    assert config.paths.trajectories == str(arrays / "here" / "trajectories")


def test_outputs_are_the_repositorys_unless_told_otherwise():
    assert Path(parse(caller=Path("/")).paths.trajectories) == ROOT / "outputs" / "trajectories"


def test_the_seed_may_decide_the_validation_split():
    given = ["seed=3", "dataset.validation=0.1", "dataset.split_seed=${seed}"]
    assert parse(*given).dataset.split_seed == 3
    assert parse("dataset.validation=0.1").dataset.split_seed is None


def test_a_yaml_of_ones_own_may_lack_the_key():
    values = parse("dataset=svhn", "dataset.validation=0.1").resolved
    del values["dataset"]["split_seed"]
    assert parsing.parse(values, caller=ROOT).dataset.split_seed is None


def test_windows():
    assert parse("averaging.start=0", "averaging.end=1").window == range(1)
    assert parse("averaging.start=3").window == range(3, 20)
    cyclic = parse("schedule=cyclic", "averaging.start=11", "averaging.stride=2")
    assert [*cyclic.window] == [*cyclic.learning_rates.cycle_ends(20)] == [11, 13, 15, 17, 19]


def test_how_it_was_averaged_is_said_where_it_is_not_as_usual():
    assert parse().method(True) == "uniform"
    assert parse("averaging=exponential", "averaging.stride=3").method(False) == (
        "exponential, decay 0.8, every 3 epochs"
    )
    averaged = parse("averaging.batch_norm=average", "averaging.refresh.images=7")
    assert averaged.method(False) == "uniform"
    assert averaged.method(True) == "uniform, batch norm averaged, last refreshed on 7 images"
    refreshed = ["averaging.refresh.images=1000", "averaging.refresh.batch_size=64"]
    assert parse(*refreshed, "averaging.refresh.augment=false").method(True) == (
        "uniform, refreshed on 1,000 images in batches of 64 without augmentation"
    )


def test_a_class_of_torch_is_a_choice_without_code_of_ours():
    config = parse("optimizer._target_=torch.optim.RMSprop", "~optimizer.nesterov")
    assert config.resolved["optimizer"]["alpha"] == 0.99
    with pytest.raises(ConfigError, match=r"optimizer\.typo = 1: there is no such key"):
        parse("optimizer._target_=torch.optim.RMSprop", "~optimizer.nesterov", "+optimizer.typo=1")


@pytest.mark.parametrize("group", choices.GROUPS)
def test_every_choice_has_a_yaml_and_every_yaml_a_choice(group):
    """A YAML alone may name a class of torch.optim."""
    folder = ROOT / "conf" / ("averaging" if group == "scheme" else group)
    chosen = [OmegaConf.load(path) for path in folder.glob("*.yaml")]
    targets = {(values.get("scheme") or values)["_target_"] for values in chosen}
    assert set(choices.listed(group).values()) <= targets
    for target in targets:
        assert issubclass(choices.check(group, target), choices.Choice)


def test_a_whole_config_is_checked_without_torch():
    code = (
        "import sys; from pathlib import Path; from polyak.config import compose\n"
        "compose.configured(['experiment=demo', 'averaging=ramp', 'schedule=cosine']).scheme\n"
        "assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    path = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": path})


def test_whole_epochs_stay_ints_and_parts_are_of_recordings():
    whole = parse("averaging.start=3.0")
    assert (type(whole.averaging.start), whole.window, whole.of_recording) == (
        *(int, range(3, 20)),
        False,
    )
    part = parse("averaging.start=2.5", "recording.every=0.5")
    assert (part.averaging.start, part.window, part.of_recording) == (2.5, range(2, 20), True)
    kept = parse("recording=means")  # of checkpoints, the epochs' alone
    assert not kept.of_recording


@pytest.mark.parametrize(
    ("overrides", "method"),
    [
        (["recording=means"], "uniform"),
        (["recording=means", "averaging.of=steps"], "uniform over steps"),
        (["recording.every=0.1"], "uniform, 10 checkpoints per epoch"),
        (["recording.every=50"], "uniform, checkpoints every 50 steps"),
        (
            ["recording.every=0.1", "recording.keep=2"],
            "uniform, 10 checkpoints per epoch, one in 2 kept",
        ),
        (["averaging=latest", "recording.every=50"], "latest, k 5, checkpoints every 50 steps"),
        (
            ["averaging=ema", "recording=means", "averaging.scheme.half_life=50"],
            "ema over steps, half-life 50 steps, means 10 per epoch",
        ),
        (
            ["averaging=power", "recording=means", "averaging.of=steps"],
            "power over steps, gamma 2.0, means 10 per epoch",
        ),
    ],
)
def test_the_method_says_what_was_averaged(overrides, method):
    assert parse(*overrides).method(batch_norm=False) == method
