"""What a pass writes down, and the replica that it runs."""

import instruments_networks as mine
import torch
from torch import nn

from underhood.instruments.cost.products import product_of, torch_macs
from underhood.instruments.record import record
from underhood.instruments.replica import replica


def passed(module, *shapes):
    return record(replica(module.eval()), tuple(torch.empty(shape, device="meta") for shape in shapes), {})


def test_calls_nest_as_modules_and_functions_do():
    found = passed(mine.TwoInputs(), (2, 3, 8, 8), (2, 3, 8, 8))
    paths = [(call.path, call.number) for call in found.root.calls if call.outputs]
    assert paths[:2] == [("trunk", 1), ("trunk", 2)]
    first = found.root.calls[0]
    assert [call.kind for call in first.calls] == ["Conv2d", "ReLU", "AdaptiveAvgPool2d", "Flatten"]
    assert first.parent is found.root
    assert first.outputs[0].shape == (2, 8)


def test_values_know_what_shares_memory():
    class Shares(nn.Module):
        def forward(self, x):
            y = x + 1
            z = y.view(-1)
            z.relu_()
            return y, z, x * 2

    y, z, other = passed(Shares(), (2, 3)).root.outputs
    assert y.storage == z.storage != other.storage
    assert y.number != z.number


def test_parameters_are_found_under_all_their_names():
    found = passed_tied()
    assert ["embed.weight", "out.weight"] in found.parameters.values()
    used = {value.number for o in found.root.operations() for value in o.inputs}
    assert found.parameters.keys() <= used


def passed_tied():
    return record(replica(mine.Tied()), (torch.zeros(1, 4, dtype=torch.int64, device="meta"),), {})


def test_tensors_made_elsewhere_join_on_meta():
    class Elsewhere(nn.Module):
        def forward(self, x):
            return x * torch.arange(3.0, device="cpu") + torch.ones(3)

    assert passed(Elsewhere(), (2, 3)).root.outputs[0].shape == (2, 3)


def test_every_product_is_torchs():
    for build, shape in mine.COUNTED.values():
        if not isinstance(shape, tuple):
            continue
        for operation in passed(build(), shape).root.operations():
            product = product_of(operation)
            assert (product.macs if product else None) == torch_macs(operation)


def test_a_replica_shares_what_is_shared_and_nothing_else():
    module = mine.Tied()
    module.again = module.block
    other = replica(module)
    assert other.again is other.block is not module.block
    assert other.out.weight is other.embed.weight
    assert {p.device.type for p in other.parameters()} == {"meta"}
    real = replica(module, meta=False)
    assert torch.equal(real.block.weight, module.block.weight)
    assert real.block.weight.data_ptr() != module.block.weight.data_ptr()


def test_a_replica_copies_plain_tensors_and_results_of_operations():
    module = nn.Linear(2, 2)
    module.plain, module.result = torch.ones(2), module.weight * 2
    assert replica(module).plain.device.type == replica(module).result.device.type == "meta"
    real = replica(module, meta=False)
    assert torch.equal(real.result, module.result)
    assert real.plain is not module.plain


def test_a_replica_keeps_hooks_and_runs_its_own_modules_in_them():
    class Hooked(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)
            self.seen = 0
            self.linear.register_forward_hook(self.count)

        def count(self, *_):
            self.seen += 1

        def forward(self, x):
            return self.linear(x)

    module = Hooked()
    other = replica(module)
    other(torch.empty(1, 2, device="meta"))
    assert (module.seen, other.seen) == (0, 1)


def test_what_writes_to_a_part_of_a_larger_tensor_is_marked():
    class Writes(nn.Module):
        def forward(self, x):
            y = x * 1
            y.add_(2)
            y[:, 0].mul_(3)
            y.view(-1).neg_()
            y[:1].fill_(5)
            return torch.relu(y)

    names = ("mul", "add_", "mul_", "neg_", "fill_", "relu")
    marked = [(o.name, o.partial) for o in passed(Writes(), (2, 3)).root.operations() if o.name in names]
    assert marked == [
        ("mul", False), ("add_", False), ("mul_", True), ("neg_", False), ("fill_", True), ("relu", False),
    ]  # fmt: skip
