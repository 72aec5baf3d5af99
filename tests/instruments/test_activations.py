"""Fewer activations, the same numbers: gradients, running statistics and masks against the network as it was."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from underhood.instruments.activations import chains, checkpoint_activations, segments, write_in_place


def convolutional():
    torch.manual_seed(3)
    block = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6, momentum=None), nn.ReLU(), nn.Dropout(0.3))
    first = (nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout2d(0.2))
    return nn.Sequential(*first, block, nn.Tanh(), nn.Flatten(), nn.Linear(6 * 36, 5), nn.ReLU(), nn.Linear(5, 4))


def three_steps(net):
    """The losses, gradients, buffers and the state of the random numbers after three steps in float64."""
    net = net.double().train()
    torch.manual_seed(7)
    rule, found = torch.optim.SGD(net.parameters(), lr=0.1), []
    for _ in range(3):
        x, cotangent = torch.randn(5, 3, 8, 8, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
        rule.zero_grad()
        loss = (net(x) * cotangent).sum()
        loss.backward()
        rule.step()
        found += [loss.detach(), *(p.grad for p in net.parameters())]
    return [*found, *net.state_dict().values(), torch.get_rng_state()]


@pytest.mark.parametrize(
    "changes",
    [(checkpoint_activations,), (write_in_place,), (write_in_place, checkpoint_activations)],
    ids=["checkpointing", "in place", "both"],
)
def test_every_number_stays_what_it_is(changes):
    plain = convolutional()
    changed = deepcopy(plain)
    assert all(change(changed) for change in changes)
    for a, b in zip(three_steps(plain), three_steps(changed), strict=True):
        assert torch.equal(a, b)


def test_what_lies_between_is_computed_again_and_kept_no_longer():
    plain = convolutional()
    changed = deepcopy(plain)
    checkpoint_activations(changed)
    kept = []
    for net in (plain, changed):
        seen = {}
        with torch.autograd.graph.saved_tensors_hooks(lambda x: seen.setdefault(x.data_ptr(), x), lambda x: x):  # noqa: B023
            net(torch.randn(5, 3, 8, 8))
        kept.append(sum(x.untyped_storage().nbytes() for x in seen.values()))
    assert kept[1] < kept[0] / 2


def test_an_evaluation_is_left_alone():
    plain = convolutional().eval()
    changed = deepcopy(plain)
    checkpoint_activations(changed)
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(plain(x), changed(x))
    assert plain.state_dict().keys() == changed.state_dict().keys()


def test_no_segment_begins_by_overwriting_its_input():
    members = [nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU(inplace=True), nn.Linear(2, 2), nn.Linear(2, 2)]
    runs = list(segments(members))
    assert [member for run in runs for member in run] == members
    assert not any(getattr(run[0], "inplace", False) for run in runs)


def test_the_outermost_chains_are_found():
    inner = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1))

    class Own(nn.Sequential):
        def forward(self, x):
            return self[0](x) + self[2](self[1](x))

    net = nn.Module()
    net.last = nn.ModuleList([inner, nn.Linear(1, 1), Own(*(nn.Linear(1, 1) for _ in range(3)))])
    assert chains(net) == [inner]
    assert chains(nn.Linear(1, 1)) == []


def test_only_a_relu_whose_input_nobody_else_needs_writes_over_it():
    shared = nn.ReLU()

    class Summed(nn.Sequential):
        def forward(self, x):
            z = self[0](x)
            return z + self[1](z)

    taken = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(inplace=True))
    left = [
        nn.Sequential(nn.Sigmoid(), nn.ReLU()),  # σ' is of its output
        nn.Sequential(nn.Linear(2, 2), shared, nn.Tanh(), shared),
        Summed(nn.Linear(2, 2), nn.ReLU()),
        nn.Sequential(nn.ReLU(), nn.Linear(2, 2)),
    ]
    assert write_in_place(nn.ModuleList([taken, *left])) == 1
    assert taken[1].inplace
    assert not any(member.inplace for net in left for member in net if isinstance(member, nn.ReLU))
    hooked = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    hooked[0].register_forward_hook(lambda *_: None)
    assert write_in_place(hooked) == 0


@pytest.mark.parametrize(
    ("members", "sizes"),
    [
        (1, [1]),
        (2, [2]),
        (3, [2, 1]),
        (5, [2, 2, 1]),
        (8, [2, 2, 2, 2]),
        (9, [3, 3, 3]),
        (10, [3, 3, 3, 1]),
        (16, [4] * 4),
    ],
)
def test_segments_are_about_the_root_long(members, sizes):
    runs = list(segments([nn.Identity() for _ in range(members)]))
    assert [len(run) for run in runs] == sizes


def test_the_segments_that_are_computed_again_are_counted():
    def chain(n):
        return nn.Sequential(*(nn.Linear(1, 1) for _ in range(n)))

    assert checkpoint_activations(chain(9)) == 2  # the last of three is not
    assert checkpoint_activations(chain(3)) == 1
    assert checkpoint_activations(nn.ModuleList([chain(9), chain(5)])) == 4
    assert checkpoint_activations(chain(2)) == 0
    assert checkpoint_activations(nn.Linear(1, 1)) == 0


def test_what_already_writes_over_its_input_is_not_counted():
    net = nn.Sequential(
        nn.Linear(2, 2), nn.ReLU(inplace=True), nn.Linear(2, 2), nn.ReLU(), nn.Conv1d(1, 1, 1), nn.ReLU()
    )
    assert write_in_place(net) == 2
    assert write_in_place(net) == 0
    before = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    before[1].register_forward_pre_hook(lambda *_: None)
    assert write_in_place(before) == 0
    assert not before[1].inplace


def test_a_normalisation_in_evaluation_keeps_its_statistics():
    """Some of the norms are frozen: their statistics stay, and those of the others move once."""
    torch.manual_seed(2)
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3), nn.BatchNorm1d(3, affine=False), nn.Tanh(), nn.Linear(3, 3))
    net[2].eval()
    plain = deepcopy(net)
    checkpoint_activations(net)
    x = torch.randn(6, 3)
    for each in (net, plain):
        each(x).square().sum().backward()
    assert net[0].num_batches_tracked == plain[0].num_batches_tracked == 1
    assert torch.equal(net[0].running_mean, plain[0].running_mean)
    assert not net[2].running_mean.any()
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(net.parameters(), plain.parameters(), strict=True))
