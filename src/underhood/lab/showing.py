"""Results as a table, for a notebook that shows whatever a cell ends with."""

from typing import TYPE_CHECKING, Any

from underhood.tables import Column, Table
from underhood.values import is_number

if TYPE_CHECKING:
    from underhood.lab.results import Group, Results

MOST = 8  # numbers of a result that one row still shows


def table(results: "Results") -> Table:
    """A row a setting: the seeds whose numbers count, and the means of what their results hold, with 95 % intervals."""
    known = [trial.result for group in results.groups for trial in group.counted]
    names = [name for name in dict.fromkeys(key for result in known for key in result) if _are_numbers(known, name)]
    columns = [Column("label", "Setting", align="left"), Column("seeds", "Seeds that count")]
    columns += [Column(f"number {name}", name.replace("_", " ")) for name in names[:MOST]]
    left = len(results.trials) - sum(len(group.counted) for group in results.groups)
    foot = []
    if left:
        foot.append(f"{left} trial{'s' * (left != 1)} of {len(results.trials)} diverged, failed or did not end.")
    if len(names) > MOST:
        foot.append(f"{len(names) - MOST} more numbers: frame() has all.")
    return Table("Results", columns, [_row(group, names[:MOST]) for group in results.groups], foot, name="results")


def _are_numbers(results: list[dict[str, Any]], name: str) -> bool:
    found = [result[name] for result in results if result.get(name) is not None]
    return bool(found) and all(map(is_number, found))


def _row(group: "Group", names: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"label": group.label, "seeds": f"{len(group.counted)} of {len(group.trials)}"}
    for name in names:
        row[f"number {name}"] = group.summary(name)
    return row
