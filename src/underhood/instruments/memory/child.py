"""A training step in a process of its own, so that its peak is its own: `python -m underhood.instruments.memory.child`.

Reads what to train as JSON from stdin, prints what it took as JSON: on a CPU the largest resident set so far, on
a GPU what torch's allocator handed out and what it took from the device. Without a network it says what the
runtime itself takes: Python, torch and the kernels of a tiny network.
"""

import json
import sys
from typing import Any

from underhood.instruments.inputs import Inputs, Spec, make
from underhood.instruments.memory.ledger import loss_of
from underhood.instruments.memory.optimizers import optimizer
from underhood.instruments.pytorch import load_torch
from underhood.instruments.target import Target, resolve
from underhood.resident import peak


def train(module: Any, args: Any, kwargs: Any, rule: Any, steps: int) -> None:
    for _ in range(steps):
        if rule is not None:
            rule.zero_grad()
        loss = loss_of(module(*args, **kwargs))
        loss.backward()
        if rule is not None:
            rule.step()


def warm_up(onednn: bool) -> None:
    """Every kernel that a common network calls has been loaded once, those of convolutions where they are asked for."""
    torch = load_torch("memory")
    nn = torch.nn
    layers, x = [nn.Linear(16, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 10)], torch.randn(4, 16)
    if onednn:
        first = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)
        layers = [*first, nn.Conv2d(16, 16, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *layers]
        x = torch.randn(4, 3, 8, 8)
    net = nn.Sequential(*layers)
    train(net, (x,), {}, optimizer("sgd,momentum=0.9")(net.parameters()), 2)


def on_engine(task: dict[str, Any]) -> None:
    """The steps of a plan; without a network, of a tiny one."""
    from underhood.engine import plan
    from underhood.instruments.memory.on_engine import prepared
    from underhood.instruments.threads import threads

    if task["network"] is None:
        target, inputs = Target("tiny", _tiny, pages=True), Inputs((Spec((4, 3, 8, 8)),))
    else:
        target = resolve(task["network"], task["arguments"])
        inputs = Inputs(tuple(Spec(tuple(shape), dtype) for shape, dtype in task["inputs"]))
    _, rule, function, given = prepared(target, inputs, task.get("optimizer") or "sgd")
    step = plan(function, rule)
    with threads(task["threads"]):
        for _ in range(task.get("steps", 3)):
            step(*given)
    print(json.dumps({"peak": peak()}))


def _tiny(nn: Any) -> Any:
    first = (nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(256, 10))


def main() -> None:
    task = json.load(sys.stdin)
    if task.get("ceiling") and sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (task["ceiling"], task["ceiling"]))
    if task["backend"] == "underhood":
        on_engine(task)
        return
    torch = load_torch("memory")
    torch.set_num_threads(task["threads"])
    torch.manual_seed(0)
    if task["network"] is None:
        warm_up(task["onednn"])
        print(json.dumps({"peak": peak()}))
        return
    device = task["device"]
    module = resolve(task["network"], task["arguments"]).build(torch.nn).to(device).train()
    specs = Inputs(tuple(Spec(tuple(shape), dtype) for shape, dtype in task["inputs"]))
    args, kwargs = make(specs, torch.float32, device)
    rule = optimizer(task["optimizer"])(module.parameters()) if task["optimizer"] else None
    train(module, args, kwargs, rule, task["steps"])
    if device.startswith("cuda"):
        print(json.dumps({"peak": torch.cuda.max_memory_allocated(), "reserved": torch.cuda.max_memory_reserved()}))
    else:
        print(json.dumps({"peak": peak()}))


if __name__ == "__main__":
    main()
