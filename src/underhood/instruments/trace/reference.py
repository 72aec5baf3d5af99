"""PyTorch's numbers for the same pass: every layer's output and δ, every weight's gradient."""

import importlib.util
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from underhood.engine.forms import Array
from underhood.instruments.check.recording import Call, Recording, no_inplace, record
from underhood.instruments.pytorch import load_torch


@dataclass
class Theirs:
    """A recording of PyTorch's pass, and the input and weights that went into it."""

    recording: Recording
    values: dict[str, Array]

    def find(self, name: str, position: tuple[int, ...], is_gradient: bool) -> float | None:
        """PyTorch's number at a unit, if it has one of that name."""
        calls: dict[str, Call] = {}
        runs: Counter[str] = Counter()
        for call in self.recording.calls:
            runs[call.name] += 1
            calls[call.name if runs[call.name] == 1 else f"{call.name}#{runs[call.name]}"] = call
        if name in calls:
            found = calls[name].delta if is_gradient else calls[name].output
        elif name == "E":
            found = None if is_gradient else self.recording.loss
        elif is_gradient:
            gradients = {**self.recording.input_gradients, **self.recording.gradients}
            found = gradients.get(name)
        else:
            found = self.values.get(name)
        return None if found is None else float(found[position])


def theirs(net: Any, original: Any, target: Any, inputs: dict[str, Array], label: int, ndim: int) -> Theirs | None:
    """The same pass by PyTorch: by the network that the engine's was made from, or the page built for it."""
    is_page = target is not None and target.pages
    if not (is_page or original is not None) or importlib.util.find_spec("torch") is None:
        return None
    torch = load_torch()
    reference = deepcopy(original if original is not None else target.build(torch.nn)).double().eval()
    reference.load_state_dict({key: torch.tensor(value.numpy()) for key, value in net.state_dict().items()})
    no_inplace(reference)

    def loss(output: Any) -> Any:
        if ndim != 2:
            return output.mean()
        return torch.nn.functional.cross_entropy(output, torch.full((len(output),), label))

    recording = record(reference, (tuple(inputs.values()), {}), loss)
    values = {**inputs, **{name: p.detach().numpy() for name, p in reference.named_parameters()}}
    return Theirs(recording, values)
