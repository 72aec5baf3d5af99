"""How far float32 drifts: `python -m benchmarks.drift`.

Each network is trained from the same weights on the same batches three times, with SGD and momentum: by the engine in
float32, by PyTorch in float32, and by PyTorch in float64, which counts as the truth. A figure is |a − b| / |b| over
all numbers of a kind, b the truth. Two right programs in float32 are about as far from it as each other. Where
rounding puts a number on the other side of a ReLU the step jumps, and a deep network with BatchNorm multiplies jumps.
"""

from typing import Any

import numpy as np
import torch

import underhood.nn
import underhood.optim
from underhood import engine
from underhood.lab.machine import machine, versions
from underhood.networks import NETWORKS
from underhood.report.facts import describe
from underhood.tables import Column, Table

STEPS, BATCH = (1, 20), 16
ARGUMENTS: dict[str, dict[str, Any]] = {
    "simple-conv-net": {},
    "simple-nn": {},
    "listing1": {},
    "mlp": {"inputs": 784, "hidden": (1000, 1000)},
    "resnet20": {},
}


def main() -> None:
    kinds = ("outputs", "gradients", "weights")
    rows = []
    for name in ARGUMENTS:
        truth = train(name, torch, torch.nn, torch.optim, np.float64)
        for library, found in (
            ("underhood", train(name, engine, underhood.nn, underhood.optim, np.float32)),
            ("PyTorch", train(name, torch, torch.nn, torch.optim, np.float32)),
        ):
            for step in STEPS:
                apart = {kind: distance(found[step][kind], truth[step][kind]) for kind in kinds}
                rows.append({"network": name, "library": library, "step": step, **apart})
    titles = [Column("network", "Network", align="left"), Column("library", "float32 by", align="left")]
    figures = [Column(kind, kind.capitalize(), format=".1e") for kind in kinds]
    print(Table("Distance from float64", [*titles, Column("step", "Step"), *figures], rows))
    print(describe(machine()))
    print(", ".join(f"{library} {version}" for library, version in versions().items()))


def train(name: str, library: Any, nn: Any, optim: Any, dtype: Any) -> dict[int, dict[str, np.ndarray]]:
    """Outputs, gradients and weights, each as one long vector, at the steps of STEPS."""
    torch.manual_seed(0)
    network = NETWORKS[name]
    start = network.build(torch.nn, **ARGUMENTS[name]).state_dict()
    model = network.build(nn, **ARGUMENTS[name])
    model = model.double() if dtype == np.float64 else model
    model.load_state_dict(start)
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    rng, found = np.random.default_rng(0), {}
    for step in range(1, max(STEPS) + 1):
        x = rng.normal(size=(BATCH, *network.input)).astype(np.float32).astype(dtype)
        t = rng.integers(0, 10, BATCH)
        optimizer.zero_grad()
        z = model(library.from_numpy(x))
        nn.functional.cross_entropy(z, library.from_numpy(t)).backward()
        optimizer.step()
        if step in STEPS:
            parameters = list(model.parameters())
            found[step] = {
                "outputs": flat([z]),
                "gradients": flat([p.grad for p in parameters]),
                "weights": flat(parameters),
            }
    return found


def flat(tensors: list[Any]) -> np.ndarray:
    return np.concatenate([t.detach().numpy().astype(np.float64).ravel() for t in tensors])


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


if __name__ == "__main__":
    main()
