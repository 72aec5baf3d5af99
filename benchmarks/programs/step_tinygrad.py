"""Training steps on tinygrad's CPU back end, captured by TinyJit.

    DEV=CPU python -m benchmarks.programs.step_tinygrad simple-nn

It compiles its kernels with clang (`CC` names another path to it) and computes on one thread.
"""

from collections.abc import Callable

from benchmarks.programs.timing import batches, options, report  # isort: skip  (begins the clock)

from tinygrad import Context, Tensor, TinyJit, nn

from benchmarks.cases import CASES

NETWORKS: dict[str, Callable[[], list[Callable[[Tensor], Tensor]]]] = {
    "mlp": lambda: [lambda x: x.flatten(1), nn.Linear(784, 256), Tensor.relu, nn.Linear(256, 10)],
    "listing1": lambda: [
        nn.Conv2d(1, 10, 5), Tensor.relu, Tensor.max_pool2d,
        nn.Conv2d(10, 20, 5), Tensor.relu, Tensor.max_pool2d,
        lambda x: x.flatten(1), nn.Linear(320, 50), nn.Linear(50, 10),
    ],
    "simple-conv-net": lambda: [
        nn.Conv2d(1, 20, 5), Tensor.max_pool2d,
        lambda x: x.flatten(1), nn.Linear(2880, 500), Tensor.relu, nn.Linear(500, 10),
    ],
    "simple-nn": lambda: [
        nn.Conv2d(3, 8, 5), Tensor.relu, Tensor.max_pool2d,
        nn.Conv2d(8, 16, 3), Tensor.relu, Tensor.max_pool2d,
        lambda x: x.flatten(1), nn.Linear(576, 120), Tensor.relu,
        nn.Linear(120, 84), Tensor.relu, nn.Linear(84, 10),
    ],
}  # fmt: skip

chosen = options(NETWORKS).parse_args()
case = CASES[chosen.case]


class Model:
    def __init__(self) -> None:
        self.layers = NETWORKS[chosen.case]()

    def __call__(self, x: Tensor) -> Tensor:
        return x.sequential(self.layers)


model = Model()
optimizer = nn.optim.SGD(nn.state.get_parameters(model), lr=0.01, momentum=0.9)


@TinyJit
def train(x: Tensor, t: Tensor) -> Tensor:
    with Context(TRAINING=1):
        optimizer.zero_grad()
        loss = model(x).sparse_categorical_crossentropy(t).backward()
        return loss.realize(*optimizer.schedule_step())


def step(x: Tensor, t: Tensor) -> float:
    return float(train(x, t).item())


data = [(Tensor(x).realize(), Tensor(t).realize()) for x, t in batches(case.image, case.batch)]
report(step, data, chosen)
