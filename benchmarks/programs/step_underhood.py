"""Training steps on the engine: the step recorded once and replayed, or the ordinary loop, compiled or not.

python -m benchmarks.programs.step_underhood simple-nn [--eager | --compile] [--kernels]
"""

from benchmarks.programs.timing import batches, options, report  # isort: skip  (begins the clock)

import json

import underhood
from benchmarks.cases import CASES
from underhood import nn, optim
from underhood.engine.fast.kernel import Kernel

parser = options(CASES)
parser.add_argument("--eager", action="store_true", help="the ordinary loop, as it stands")
parser.add_argument("--compile", action="store_true", help="the ordinary loop on a compiled network")
parser.add_argument("--kernels", action="store_true", help="print the time of each kernel too")
chosen = parser.parse_args()
case = CASES[chosen.case]

data = [(underhood.from_numpy(x), underhood.from_numpy(t)) for x, t in batches(case.image, case.batch)]
net = case.build(nn)
optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)


def loss(x: underhood.Tensor, t: underhood.Tensor) -> underhood.Tensor:
    return nn.functional.cross_entropy(net(x), t)


def eager(x: underhood.Tensor, t: underhood.Tensor) -> float:
    optimizer.zero_grad()
    found = loss(x, t)
    found.backward()
    optimizer.step()
    return found.item()


def replayed(x: underhood.Tensor, t: underhood.Tensor) -> float:
    return plan(x, t).item()


plan = underhood.plan(loss, optimizer)
if chosen.compile:
    net = underhood.compile(net)
    report(eager, data, chosen, lambda: {"reason": net.reason, "kernels_s": Kernel.seconds})
elif chosen.eager:
    report(eager, data, chosen)
else:
    report(replayed, data, chosen, lambda: {"reason": plan.reason, "kernels_s": Kernel.seconds})
if chosen.kernels:
    times = plan.times(*data[0])
    names = dict.fromkeys(name for name, _ in times)
    found = {name: [1e3 * seconds for each, seconds in times if each == name] for name in names}
    print(json.dumps({"kernels": [{"name": n, "calls": len(ms), "ms": sum(ms)} for n, ms in found.items()]}))
