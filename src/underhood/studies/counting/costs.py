"""What the studies that count share: a network's cost as plain data, and the table of how it was checked.

A trial hands on what `cost` found as JSON, so that a report can be written again without PyTorch.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import AfterValidator, Field

from underhood.errors import nearest
from underhood.lab import Group, Results
from underhood.settings import Settings
from underhood.tables import Column, Table


class CountSettings(Settings):
    """The settings of every study that counts."""

    verify: bool = Field(
        False, description="check the total in a FlopCounterMode pass of its own, and receptive fields by gradients"
    )


def network_or(*own: str) -> AfterValidator:
    """A network of ours, one of a file or package, or a word of the study's own: a slip is told before a trial is."""

    def known(name: str) -> str:
        from underhood.instruments.target import is_place
        from underhood.networks import NETWORKS

        if name not in own and name not in NETWORKS and not is_place(name):
            raise ValueError(f'there is no network "{name}": {nearest(name, [*own, *NETWORKS])} (or FILE.py:Class)')
        return name

    return AfterValidator(known)


def counted(
    network: Any, input: Any = None, arguments: Mapping[str, Any] | None = None, verify: bool = False
) -> dict[str, Any]:
    """The network's cost as JSON, with each layer's kernel, stride, padding and groups, and the checks."""
    from underhood.instruments.cost import cost
    from underhood.instruments.pytorch import load_torch

    found = cost(network, input, arguments=arguments)
    torch = load_torch()
    with torch.device("meta"):
        module = found.target.build(torch.nn)
    members = dict(module.named_modules())
    data = found.to_json()
    for layer in data["layers"]:
        layer["geometry"] = geometry(members.get(layer["name"]))
    data["checks"] = [
        check("parameters, in the network that PyTorch builds", found.counts.learnt, _learnt(module)),
        check("multiply–adds, by PyTorch's formulas", found.macs, found.torch_macs),
        *(_verified(found) if verify else ()),
    ]
    return data


def _learnt(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _verified(found: Any) -> Iterable[dict[str, Any]]:
    from underhood.instruments.cost.verify import boxes, flop_counter_macs

    yield check("multiply–adds, in a pass under FlopCounterMode", found.macs, flop_counter_macs(found))
    checked = boxes(found)
    if checked:
        agree = sum(box.agrees for box in checked)
        yield check(f"receptive fields of {len(checked)} layers, by gradients", len(checked), agree)


def geometry(module: Any) -> dict[str, Any]:
    """Kernel, stride, padding and groups of a module that has them, each as text or number."""
    named = {name: getattr(module, f"{name}_size" if name == "kernel" else name, None) for name in GEOMETRY}
    return {name: _agreed(value) for name, value in named.items() if value is not None}


GEOMETRY = ("kernel", "stride", "padding", "groups")


def _agreed(value: Any) -> Any:
    """(2, 2) is 2; (1, 3) is "1×3"."""
    if not isinstance(value, tuple | list):
        return value
    return value[0] if len(set(value)) == 1 else "×".join(map(str, value))


def check(what: str, here: Any, there: Any) -> dict[str, Any]:
    """One comparison: what the study says, and what something else says."""
    return {"what": what, "here": here, "there": there, "agrees": here == there}


def checks_table(checks: Iterable[Mapping[str, Any]], title: str = "How it was checked") -> Table:
    """Every comparison with its verdict."""
    rows = [dict(one) for one in checks]
    wrong = [row["what"] for row in rows if not row["agrees"]]
    foot = [f"Not equal: {', '.join(wrong)}. Do not rely on this report."] if wrong else ["All are equal."]
    columns = [
        Column("what", "What", align="left"),
        Column("here", "In this report"),
        Column("there", "Checked against"),
        Column("agrees", "Equal", align="left"),
    ]
    return Table(title, columns, rows, foot, name="checks")


def with_weights(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The layers that have weights, under the names that papers give them: conv1, conv2, … fc1, …"""
    found: list[dict[str, Any]] = []
    counts = {"conv": 0, "fc": 0}
    for layer in data["layers"]:
        if layer["group"] or not layer["weights"]:
            continue
        kind = "conv" if "kernel" in layer["geometry"] else "fc"
        counts[kind] += 1
        found.append({**layer, "label": f"{kind}{counts[kind]}"})
    return found


def costs_by(results: Results, key: str) -> dict[str, dict[str, Any]]:
    """What each finished trial found, by the setting that tells them apart (or fixes them all)."""
    return {str(_setting(group, key)): group.counted[0].result for group in results.groups if group.counted}


def _setting(group: Group, key: str) -> Any:
    value: Any = group.settings
    for part in key.split("."):
        value = value[part]
    return value


def millions(value: float) -> str:
    return f"{value / 1e6:.1f} million"
