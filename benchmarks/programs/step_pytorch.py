"""Training steps on PyTorch, eager or compiled, in either memory format, with either optimiser.

python -m benchmarks.programs.step_pytorch simple-nn [--channels-last] [--compile] [--fused]
"""

from benchmarks.programs.timing import batches, options, report  # isort: skip  (begins the clock)

import torch
from torch import nn, optim

from benchmarks.cases import CASES

parser = options(CASES)
parser.add_argument("--channels-last", action="store_true")
parser.add_argument("--compile", action="store_true")
parser.add_argument("--fused", action="store_true")
chosen = parser.parse_args()
case = CASES[chosen.case]

data = [(torch.from_numpy(x), torch.from_numpy(t)) for x, t in batches(case.image, case.batch)]
net = case.build(nn)
if chosen.channels_last:
    net = net.to(memory_format=torch.channels_last)
    data = [(x.to(memory_format=torch.channels_last), t) for x, t in data]
optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9, fused=chosen.fused)
criterion = nn.CrossEntropyLoss()


def forward(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return criterion(net(x), t)


if chosen.compile:
    forward = torch.compile(forward)


def step(x: torch.Tensor, t: torch.Tensor) -> float:
    optimizer.zero_grad()
    loss = forward(x, t)
    loss.backward()
    optimizer.step()
    return loss.item()


report(step, data, chosen)
