from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import distributed, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader

from polyak.averaging.batch_norm import refresh, statistics
from polyak.averaging.mean import round_once
from polyak.errors import CheckpointError


class Net(nn.Module):
    """Two norm layers [N, C, H, W] and one [N, C], with dropout between, and layers that no
    forward pass uses."""

    def __init__(self, norm=nn.BatchNorm2d):
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 6, 3), norm(6), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(6, 4, 3), norm(4))
        )
        self.head = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
        self.unused = nn.BatchNorm1d(3)

    def forward(self, images):
        return self.head(self.features(images).relu().mean((2, 3)))


def net(norm=nn.BatchNorm2d, seed=0):
    """With statistics and affine parameters that are not the first ones."""
    torch.manual_seed(seed)
    model = Net(norm)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.dim() == 1:
            tensor.uniform_(0.5, 1.5) if "bias" not in name else tensor.normal_()
    return model


def images(*sizes, seed=1):
    """Batches whose means differ."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(size, 3, 8, 8, generator=generator) * (place + 1) + place
        for place, size in enumerate(sizes)
    ]


def reference(model, batches):
    """Mean and variance by layer, naively: all the inputs of a float64 copy, concatenated."""
    twin, seen, hooks = deepcopy(model).double().eval(), {}, []
    for name, layer in twin.named_modules():
        if isinstance(layer, _NormBase) and layer.running_mean is not None:
            layer.train()
            hooks.append(
                layer.register_forward_pre_hook(
                    lambda _, inputs, name=name: seen.setdefault(name, []).append(inputs[0])
                )
            )
    with torch.no_grad():
        for batch in batches:
            twin(batch.double())
    flat = {
        name: torch.cat([one.transpose(0, 1).flatten(1) for one in values], dim=1)
        for name, values in seen.items()
    }
    return {name: (one.mean(1), one.var(1)) for name, one in flat.items()}


def check(model, wanted, rtol=2e-5):
    assert wanted
    for name, (mean, variance) in wanted.items():
        layer = model.get_submodule(name)
        torch.testing.assert_close(layer.running_mean.double(), mean, rtol=rtol, atol=rtol)
        torch.testing.assert_close(layer.running_var.double(), variance, rtol=rtol, atol=1e-9)


def snapshot(model):
    """All that must stay as it is, beside running means and variances: their identities too."""
    modules = list(model.named_modules(remove_duplicate=False))
    names = statistics(model)
    return {
        "state": {k: v.tolist() for k, v in model.state_dict().items() if k not in names},
        "identities": {k: id(v) for k, v in [*model.named_buffers(), *model.named_parameters()]},
        "gradients": {k: (p.requires_grad, p.grad) for k, p in model.named_parameters()},
        "modules": [
            (name, one.training, getattr(one, "momentum", None), vars(one).get("forward"))
            for name, one in modules
        ],
        "attributes": [sorted(vars(one)) for _, one in modules],
        "hooks": [(list(one._forward_hooks), list(one._forward_pre_hooks)) for _, one in modules],
        "random": torch.get_rng_state().tolist(),
    }


def running(model):
    return {name: model.state_dict()[name].clone() for name in statistics(model)}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one | other)


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d,
        nn.SyncBatchNorm,
        partial(nn.BatchNorm2d, momentum=None),
        partial(nn.BatchNorm2d, affine=False),
    ],
    ids=["batch", "sync", "cumulative", "no affine"],
)
@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("training", [True, False])
def test_equals_the_naive_reference(norm, format, training):
    model = net(norm).train(training).to(memory_format=format)
    batches = [batch.to(memory_format=format) for batch in images(7, 2, 16, 5)]
    wanted = reference(model, batches)
    before = snapshot(model)
    refresh(model, batches)
    check(model, wanted)
    assert len(wanted) == 3
    assert snapshot(model) == before


def test_in_float64_it_is_the_reference_to_its_last_digits():
    model, batches = net().double(), [batch.double() for batch in images(7, 2, 16, 5)]
    wanted = reference(model, batches)
    refresh(model, batches)
    check(model, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.BatchNorm1d(3), ()), (nn.BatchNorm1d(3), (7,)), (nn.BatchNorm3d(3), (2, 3, 4))],
)
def test_a_layer_alone_has_the_plain_mean_and_variance_of_one_batch(layer, shape):
    batch = torch.randn(9, 3, *shape) * 3 + 5
    refresh(layer, [batch])
    values = batch.double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(layer.running_mean, values.mean(1).float(), rtol=1e-6, atol=0)
    torch.testing.assert_close(layer.running_var, values.var(1).float(), rtol=1e-6, atol=0)


def test_how_data_is_cut_does_not_matter_to_the_first_layer():
    whole = torch.cat(images(6, 6, 6))
    one, other = net(), net()
    refresh(one, [whole])
    refresh(other, whole.split([2, 11, 5]))
    for name in statistics(one)[:2]:
        torch.testing.assert_close(one.state_dict()[name], other.state_dict()[name])


def test_the_order_of_batches_does_not_matter():
    one, other, batches = net(), net(), images(7, 2, 16, 5)
    refresh(one, batches)
    refresh(other, batches[::-1])
    for name, values in running(one).items():
        torch.testing.assert_close(values, other.state_dict()[name], rtol=1e-6, atol=1e-6)


def test_statistics_from_before_do_not_matter():
    one, other, batches = net(), net(), images(7, 5)
    other.features[1].running_mean.fill_(torch.nan)
    other.features[1].running_var.fill_(torch.inf)
    refresh(one, batches)
    refresh(other, batches)
    assert same(running(one), running(other))
    refresh(one, iter(batches))
    assert same(running(one), running(other))


def test_agrees_with_update_bn_where_every_batch_has_the_same_statistics():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    theirs = deepcopy(model)
    (batch,) = images(64)
    batches = [batch, batch.flip(0), batch.roll(5, 0)]
    refresh(model, batches)
    update_bn(batches, theirs)
    torch.testing.assert_close(model[1].running_mean, theirs[1].running_mean)
    torch.testing.assert_close(model[1].running_var, theirs[1].running_var, rtol=5e-4, atol=0)


@pytest.mark.parametrize("sizes", [(64, 64, 64), (64, 64, 2)], ids=["means vary", "short batch"])
def test_differs_from_update_bn_where_batches_differ(sizes):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    theirs, batches = deepcopy(model), images(*sizes)
    wanted = reference(model, batches)
    refresh(model, batches)
    update_bn(batches, theirs)
    check(model, wanted)
    with pytest.raises(AssertionError, match="not close"):
        check(theirs, wanted, rtol=1e-2)


def test_dropout_is_off():
    """With half of the values dropped and the others doubled, the mean square doubles."""
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3))
    batch = torch.randn(500, 3)
    refresh(model, [batch])
    torch.testing.assert_close(model[1].running_var, batch.var(0), rtol=1e-5, atol=0)


def test_a_loader_of_batches_leaves_the_random_state():
    model = net()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    refresh(model, DataLoader(torch.cat(images(4, 4)), batch_size=4))
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_hooks_and_settings_stay():
    model, calls = net(), []
    model(images(4)[0]).sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.features[0].weight.requires_grad_(False)
    model.features[1].register_forward_hook(lambda *call: calls.append(call[-1].requires_grad))
    model.features[1].forward = partial(nn.BatchNorm2d.forward, model.features[1])
    before = snapshot(model)
    refresh(model, images(4, 5))
    after = snapshot(model)
    assert before.pop("gradients").keys() == after.pop("gradients").keys()
    assert after == before
    assert calls == [False, False]
    assert all(torch.equal(model.get_parameter(name).grad, g) for name, g in gradients.items())


class Frozen(nn.BatchNorm2d):
    """As the field freezes statistics: training mode doesn't reach them."""

    def train(self, mode=True):
        return super().train(False)


@pytest.mark.parametrize("training", [True, False])
def test_layers_that_train_leaves_in_evaluation_mode_keep_their_statistics(training):
    model = nn.Sequential(Frozen(3), nn.BatchNorm2d(3)).train(training)
    refresh(model, images(5))
    assert model[0].running_mean.tolist() == [0] * 3
    assert model[0].running_var.tolist() == [1] * 3
    assert [one.training for one in model] == [False, training]
    # The second's inputs have gone through the first's own statistics.
    scale = (1 + model[0].eps) ** -0.5
    wanted = images(5)[0].transpose(0, 1).flatten(1).var(1) * scale**2
    torch.testing.assert_close(model[1].running_var, wanted)


def test_update_bn_wipes_such_layers():
    """What docs/batch_norm.md says of it."""
    model = nn.Sequential(Frozen(3))
    model[0].running_mean.fill_(7)
    update_bn(images(5), model)
    assert model[0].running_mean.tolist() == [0] * 3


def test_layers_in_evaluation_mode_within_a_model_in_training_mode_keep_theirs():
    model = net()
    model.features.eval()
    before, modes = running(model), [one.training for one in model.modules()]
    refresh(model, images(5))
    assert [one.training for one in model.modules()] == modes
    kept = [name for name, values in running(model).items() if torch.equal(values, before[name])]
    assert kept == [name for name in before if not name.startswith("head")]
    refresh(model.eval(), images(5))  # nothing tells them apart here
    assert not torch.equal(model.features[1].running_mean, before["features.1.running_mean"])


class Merging(nn.Sequential):
    """Does more in `train` than set modes."""

    def train(self, mode=True):
        self.merged = not mode
        return super().train(mode)


@pytest.mark.parametrize("training", [True, False])
def test_a_train_of_the_models_own_is_undone_by_itself(training):
    model = Merging(nn.BatchNorm2d(3)).train(training)
    refresh(model, images(5))
    assert model.merged is not training


def test_layers_whose_parameters_do_not_train_are_refreshed():
    model = net().requires_grad_(False)
    wanted = reference(model, images(5, 6))
    refresh(model, images(5, 6))
    check(model, wanted)


def test_layers_without_statistics_stay_without():
    model = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), nn.InstanceNorm2d(3))
    assert statistics(model) == []
    refresh(model, (pytest.fail("a pass for nothing") for _ in range(1)))
    assert all(one.running_mean is None for one in model)


def test_a_layer_that_stopped_tracking_keeps_its_statistics():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3))
    model[0].track_running_stats = False
    refresh(model, images(5))
    assert model[0].running_var.tolist() == [1] * 3
    assert model[1].running_var.tolist() != [1] * 3


def test_a_layer_that_no_batch_reaches_keeps_its_statistics():
    model = net()
    before = running(model)
    refresh(model, images(5))
    assert torch.equal(model.unused.running_var, before["unused.running_var"])


def test_instance_norm_has_the_mean_over_instances():
    layer = nn.InstanceNorm2d(3, track_running_stats=True)
    batches = images(2, 9)
    refresh(layer, batches)
    values = torch.cat(batches).flatten(2).double()
    torch.testing.assert_close(layer.running_mean.double(), values.mean((0, 2)), rtol=1e-6, atol=0)
    torch.testing.assert_close(layer.running_var.double(), values.var(2).mean(0), rtol=1e-6, atol=0)
    alone = deepcopy(layer)
    refresh(alone, [*batches[0], batches[1]])  # the first two without a batch dimension
    torch.testing.assert_close(alone.running_var, layer.running_var)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.BatchNorm2d(3)
        self.second = self.first

    def forward(self, images):
        return self.second(self.first(images)[:, :, ::2] * 3 + 1)


def test_a_layer_used_twice_pools_both():
    model = Twice()
    wanted = reference(model, images(3, 5))
    refresh(model, images(3, 5))
    check(model, wanted)
    assert statistics(model) == [
        f"{name}.{one}" for name in ("first", "second") for one in ("running_mean", "running_var")
    ]


class ChannelsLast(nn.BatchNorm2d):
    """A subclass with a layout of its own: [N, H, W, C]; its inputs come by name."""

    def forward(self, input):
        return super().forward(input.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def test_a_subclass_decides_for_itself_what_its_statistics_are():
    layer = ChannelsLast(3)
    batches = images(3, 5)
    model = nn.Module()
    model.norm, model.forward = layer, lambda batch: layer(input=batch.permute(0, 2, 3, 1))
    refresh(model, batches)
    values = torch.cat(batches).transpose(0, 1).flatten(1)
    torch.testing.assert_close(layer.running_mean, values.mean(1))
    torch.testing.assert_close(layer.running_var, values.var(1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("norm", [nn.BatchNorm2d, nn.SyncBatchNorm])
def test_in_16_bits_statistics_are_pooled_in_float64_and_rounded_once(dtype, norm):
    model = nn.Sequential(norm(3), nn.Conv2d(3, 2, 1)).to(dtype)
    batches = [batch.to(dtype) for batch in images(9, 4, 11)]
    before = snapshot(model)
    refresh(model, batches)
    assert snapshot(model) == before
    values = torch.cat(batches).double().transpose(0, 1).flatten(1)
    for ours, wanted in (
        (model[0].running_mean, values.mean(1)),
        (model[0].running_var, values.var(1)),
    ):
        assert ours.dtype == dtype
        assert torch.equal(ours, round_once(wanted, dtype))


def test_rounding_once_tells_what_lies_just_beside_a_tie():
    """The mean is 1 + 2**-8, a tie in bfloat16, and 2**-26, which float32 can't see."""
    just_above = [2.0] * 4 + [2**-5, 2**-20, 0, 0]  # its mean: 1 + 2**-8 + 2**-23
    layer = nn.BatchNorm1d(1).bfloat16()
    batches = [[1.0] * 28, [1 + 2**-7] * 28, just_above]
    refresh(layer, [torch.tensor(one, dtype=torch.bfloat16)[:, None] for one in batches])
    assert layer.running_mean.item() == 1 + 2**-7


def test_in_autocast_statistics_are_of_what_a_layer_gets():
    model, seen = net(), []
    hook = model.features[5].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.autocast("cpu", torch.bfloat16):
        refresh(model, images(4, 9))
    hook.remove()
    assert seen[0].dtype == torch.bfloat16
    values = torch.cat(seen).double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(
        model.features[5].running_var.double(), values.var(1), rtol=1e-5, atol=0
    )


def compiled(compilations, graph, _):
    compilations.append(graph)
    return graph.forward


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile, nn.Module.compile])
def test_a_wrapped_or_compiled_model_is_its_model(wrap):
    model = net()
    plain = deepcopy(model)
    compilations = []
    options = {} if wrap is nn.DataParallel else {"backend": partial(compiled, compilations)}
    wrapped = wrap(model, **options)
    if wrapped is None:  # compiled in place
        wrapped = model
    if options:
        wrapped(images(4)[0])  # compiled now, without what refresh sets
        plain(images(4)[0])
    before, count = snapshot(model), len(compilations)
    refresh(wrapped, images(7, 4))
    assert len(compilations) == count
    assert bool(count) == bool(options)
    refresh(plain, images(7, 4))
    assert same(running(model), running(plain))
    assert snapshot(model) == before
    # Not by `wrap`: Lightning puts a function of its own in the place of torch.compile.
    prefix = next((f"{one}." for one in ("module", "_orig_mod") if hasattr(wrapped, one)), "")
    assert statistics(wrapped) == [prefix + name for name in statistics(model)]


@pytest.fixture
def process_group():
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("process_group")
def test_in_a_process_group_it_talks_to_no_other_process(monkeypatch):
    model = net(nn.SyncBatchNorm)
    with pytest.raises(ValueError, match="SyncBatchNorm expected input tensor to be on GPU"):
        model(images(4)[0])
    wanted = reference(net(), images(7, 4))
    refresh(model, images(7, 4))
    check(model, wanted)
    for wrap in (nn.parallel.DistributedDataParallel, nn.DataParallel):
        monkeypatch.setattr(wrap, "forward", lambda *_: pytest.fail("talks to others"))
        parallel = wrap(net())
        refresh(parallel, images(7, 4))
        check(parallel.module, wanted)
        assert "forward" not in vars(parallel)


def test_the_names_of_statistics():
    names = statistics(net(nn.SyncBatchNorm))
    assert names == [
        f"{layer}.running_{statistic}"
        for layer in ("features.1", "features.5", "head.1", "unused")
        for statistic in ("mean", "var")
    ]
    assert statistics(nn.BatchNorm1d(2)) == ["running_mean", "running_var"]
    assert statistics(nn.Linear(2, 2)) == []


def broken(*batches):
    yield from batches
    raise OSError("the disk is gone")


def dead(model):
    with torch.no_grad():
        model.features[0].weight.fill_(torch.inf)
    return model


WRONG = {
    "no batches": (net, [], ValueError, "no images to compute batch-norm statistics on"),
    "an empty batch": (net, images(0), ValueError, "layer 'features.1'.*fewer than two values"),
    "one value per channel": (net, images(3, 1), ValueError, r"layer 'head.1'.*\[1, 5\].*larger"),
    "one value per instance": (
        lambda: nn.InstanceNorm2d(3, track_running_stats=True),
        [torch.zeros(4, 3, 1, 1)],
        ValueError,
        "layer 'InstanceNorm2d'.*channel and instance",
    ),
    "labels": (net, [[*images(3), torch.zeros(3)]], TypeError, "batch 0 is a list"),
    "weights": (lambda: dead(net()), images(3), CheckpointError, "layer 'features.1'.*not finite"),
    "later images": (
        net,
        [*images(3), torch.full((2, 3, 8, 8), torch.nan)],
        CheckpointError,
        "'features.1': running_mean is not finite",
    ),
    "float16": (
        lambda: nn.Sequential(nn.BatchNorm2d(3)).half(),
        [1000 * images(3)[0].half()],
        CheckpointError,
        "layer '0': running_var overflows torch.float16",
    ),
    "of the source": (net, broken(*images(3)), OSError, "the disk is gone"),
    "of the model": (net, [*images(3), torch.zeros(2, 4, 8, 8)], RuntimeError, "channels"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_and_leaves_the_model_as_it_was(name):
    make, batches, error, message = WRONG[name]
    model = make()
    before, values = snapshot(model), running(model)
    with pytest.raises(error, match=message):
        refresh(model, batches)
    assert str(snapshot(model)) == str(before)  # as text: NaN is NaN
    assert same(running(model), values)


class Fixed(nn.BatchNorm2d):
    def forward(self, input):
        return nn.functional.batch_norm(input, self.running_mean, self.running_var)


def test_a_layer_that_does_not_move_its_statistics_is_named():
    model = nn.Sequential(Fixed(3), nn.BatchNorm2d(3))
    with pytest.raises(ValueError, match="layer '0' doesn't move its running statistics"):
        refresh(model, images(3))
    model[0].eval()
    refresh(model, images(3))
    assert model[0].running_var.tolist() == [1] * 3


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_a_scripted_model_is_refused():
    with pytest.raises(ValueError, match=r"layer 'features\.1' is scripted"):
        refresh(torch.jit.script(net()), images(3))


def test_a_lazy_layer_is_refreshed_after_its_first_batch():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.LazyBatchNorm2d()).eval()
    with pytest.raises(ValueError, match="layer '1' has no weights yet"):
        refresh(model, images(3))
    assert not any(one.training for one in model.modules())
    model(images(3)[0])
    refresh(model, images(5))
    torch.testing.assert_close(
        model[0].running_mean, images(5)[0].transpose(0, 1).flatten(1).mean(1)
    )
