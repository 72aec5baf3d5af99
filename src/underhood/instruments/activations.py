"""Two ways to hold fewer activations, on PyTorch, that leave every number as it is.

    checkpoint_activations(net)   of a chain of n members about √n outputs are kept; what lies between is computed
                                  again in backward: one more forward, a third of a step at most
    write_in_place(net)           a ReLU writes over its input, where nobody else needs that: no time

*Again* has to be the same. Dropout draws the same mask, for the random state of the first time is put back;
BatchNorm normalises by the same batch, and moves its running statistics the first time alone. A chain is an outermost
`nn.Sequential`; what stands outside of one is left as it is. A layer that keeps numbers of its own from one forward to
the next in another way than BatchNorm (spectral normalisation) would move them twice.

A ReLU y = max(x, 0) with ∂E/∂x = [y > 0] ∂E/∂y reads y alone in backward. What makes x has to do without x too: a
convolution and a linear layer read their inputs and weights, BatchNorm its input, mean and deviation. PyTorch frees x
anyway as soon as the next layer has run, so what falls is the moment when x and y are both there: it is the peak of
many evaluations, and of few steps.

Source: Chen et al. 2016, "Training deep nets with sublinear memory cost".
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import pairwise
from math import isqrt
from typing import Any

from underhood.instruments.pytorch import load_torch


def write_in_place(module: Any) -> int:
    """Let every ReLU write over its input that may, by the chains it stands in. How many these are."""
    nn = load_torch().nn
    makers = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    parents = Counter(id(child) for parent in set(module.modules()) for child in parent._modules.values())
    found = 0
    for chain in module.modules():
        for before, relu in pairwise(chain) if _is_chain(chain) else ():
            hooked = before._forward_hooks or relu._forward_pre_hooks
            if type(relu) is nn.ReLU and type(before) in makers and parents[id(relu)] == 1 and not hooked:
                found += not relu.inplace
                relu.inplace = True
    return found


def checkpoint_activations(module: Any) -> int:
    """Make every chain keep only the inputs of its segments. How many segments are computed again."""
    found = 0
    for chain in chains(module):
        runs = list(segments(list(chain)))
        chain.forward = partial(_forward, runs)
        found += len(runs) - 1
    return found


def chains(module: Any) -> list[Any]:
    """The outermost nn.Sequentials of more than two members; the network itself where it is one."""
    if _is_chain(module) and len(module) > 2:
        return [module]
    return [chain for child in module.children() for chain in chains(child)]


def _is_chain(module: Any) -> bool:
    sequential = load_torch().nn.Sequential
    return isinstance(module, sequential) and type(module).forward is sequential.forward


def segments(members: list[Any]) -> Iterator[list[Any]]:
    """About √n runs of members; none begins with a layer that would overwrite the input that is kept."""
    size = max(2, isqrt(len(members)))
    run: list[Any] = []
    for member in members:
        if len(run) >= size and not getattr(member, "inplace", False):
            yield run
            run = []
        run.append(member)
    if run:
        yield run


def _forward(runs: list[list[Any]], x: Any) -> Any:
    from torch.utils.checkpoint import checkpoint

    for run in runs[:-1]:
        x = checkpoint(
            partial(_through, run),
            x,
            use_reentrant=False,
            preserve_rng_state=x.device.type != "meta",
            context_fn=partial(_contexts, run),
        )
    return _through(runs[-1], x)  # the last segment would be computed again at once


def _through(run: list[Any], x: Any) -> Any:
    for member in run:
        x = member(x)
    return x


def _contexts(run: list[Any]) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Around the first time, and around the second."""
    return nullcontext(), _statistics_kept(run)


@contextmanager
def _statistics_kept(run: list[Any]) -> Iterator[None]:
    """Within, what normalisations note of a batch goes into copies."""
    kind = load_torch().nn.modules.batchnorm._NormBase
    norms = [norm for member in run for norm in member.modules() if isinstance(norm, kind) and norm.training]
    kept = [norm._buffers for norm in norms]
    for norm in norms:
        norm._buffers = {name: None if each is None else each.clone() for name, each in norm._buffers.items()}
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            norm._buffers = buffers
