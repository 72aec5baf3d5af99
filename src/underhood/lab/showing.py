"""Results as a table, for a notebook that shows whatever a cell ends with."""

from typing import TYPE_CHECKING, Any

from underhood.tables import Column, Estimate, Table

if TYPE_CHECKING:
    from underhood.lab.results import Group, Results

MOST = 8  # numbers of a result that one row still shows


def table(results: "Results") -> Table:
    """A row a setting: the seeds whose numbers count, and the means of what their results hold, with 95 % intervals."""
    known = [trial.result for group in results.groups for trial in group.counted]
    names = [name for name in dict.fromkeys(key for result in known for key in result) if _is_number(known, name)]
    columns = [Column("label", "Setting", align="left"), Column("seeds", "Seeds that count")]
    columns += [Column(f"number {name}", name.replace("_", " ")) for name in names[:MOST]]
    left = len(results.trials) - sum(len(group.counted) for group in results.groups)
    foot = []
    if left:
        foot.append(f"{left} trial{'s' * (left != 1)} of {len(results.trials)} diverged, failed or did not end.")
    if len(names) > MOST:
        foot.append(f"{len(names) - MOST} more numbers: frame() has all.")
    return Table("Results", columns, [_row(group, names[:MOST]) for group in results.groups], foot, name="results")


def _is_number(results: list[dict[str, Any]], name: str) -> bool:
    found = [result[name] for result in results if result.get(name) is not None]
    return bool(found) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in found)


def _row(group: "Group", names: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"label": group.label, "seeds": f"{len(group.counted)} of {len(group.trials)}"}
    for name in names:
        found = group.summary(name)
        row[f"number {name}"] = None if found is None else Estimate(found.mean, found.low, found.high, found.n)
    return row
