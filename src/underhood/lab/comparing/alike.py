"""Whether two settings can be held against each other, and what besides luck may be in their difference.

Refused: the same trials on both sides, other data, nothing paired. Said: other epochs, functions, code, versions and
machines, settings of the data that change what is measured on, and trials that are in no pair.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from underhood.errors import BadInput
from underhood.lab.comparing.kinds import kind_of, words
from underhood.lab.comparing.pairs import is_finite
from underhood.lab.results import Group, StoredTrial
from underhood.settings import flattened

LACKING = "–"  # the value of a setting that the other side alone has


def check(a: Group, b: Group, a_name: str, b_name: str) -> None:
    """BadInput where a and b have no pairs, or pairs that say nothing."""
    if {trial.folder.path.resolve() for trial in a.trials} & {trial.folder.path.resolve() for trial in b.trials}:
        raise BadInput(f"{a_name} and {b_name}: there are trials that are in both; a trial differs from others alone")
    data_a, data_b = _data(a), _data(b)
    if data_a != data_b:
        raise BadInput(
            f"{a_name} and {b_name} were measured on other data ({_called(a, data_a)}; {_called(b, data_b)}): "
            "their numbers cannot be compared"
        )
    for group, name in ((a, a_name), (b, b_name)):
        if not group.counted:
            raise BadInput(f"{name}: no trial of it has a number to compare: {_states(group.trials)}")
    seeds_a, seeds_b = ({trial.seed for trial in group.counted} for group in (a, b))
    if not seeds_a & seeds_b:
        raise BadInput(
            f"nothing is paired: {a_name} has {_seeds(sorted(seeds_a))}, {b_name} {_seeds(sorted(seeds_b))}; "
            "run both with the same seeds"
        )


def changed(a: Group, b: Group) -> tuple[tuple[str, Any, Any], ...]:
    """The settings that differ: dotted key, value of a, value of b."""
    ours, theirs = flattened(a.settings), flattened(b.settings)
    keys = dict.fromkeys([*ours, *theirs])
    both = ((key, ours.get(key, LACKING), theirs.get(key, LACKING)) for key in keys)
    return tuple(each for each in both if each[1] != each[2])


def notes(
    a: Group,
    b: Group,
    names: tuple[str, str],
    seeds: Sequence[int],
    metric: str,
    settings: Sequence[tuple[str, Any, Any]],
) -> Iterator[str]:
    """What a reader must know before believing the difference over these seeds."""
    yield from _unpaired(a, b, names, seeds, metric)
    if not settings:
        yield "No setting differs between the two: a difference comes from code, versions or machine alone."
    pairs = [[trial for trial in group.counted if trial.seed in seeds] for group in (a, b)]
    for what, text in (("epochs", "trained for other numbers of epochs"), ("steps", "took other numbers of steps")):
        counts = [_distinct(trial.result.get(what) for trial in trials) for trials in pairs]
        if counts[0] != counts[1]:
            yield f"The two {text}: {names[0]} {_several(counts[0])}, {names[1]} {_several(counts[1])}."
            break  # other epochs are other steps
    data = [key for key, _, _ in settings if key.partition(".")[0] == "data"]
    if data:
        yield f"Settings of the data differ ({', '.join(data)}): {metric} may not be of the same images."
    yield from _computed_otherwise(pairs, names, metric, settings)


def _unpaired(a: Group, b: Group, names: tuple[str, str], seeds: Sequence[int], metric: str) -> Iterator[str]:
    for group, name in ((a, names[0]), (b, names[1])):
        rest = [trial for trial in group.trials if trial.seed not in seeds]
        if rest:
            yield f"In no pair, of {name}: {_states(rest, metric)}."


def _computed_otherwise(
    pairs: Sequence[Sequence[StoredTrial]],
    names: tuple[str, str],
    metric: str,
    settings: Sequence[tuple[str, Any, Any]],
) -> Iterator[str]:
    """Where function, code, versions or machine are not the same on both sides."""
    functions = [_distinct(trial.spec.get("function") for trial in trials) for trials in pairs]
    if functions[0] != functions[1]:
        yield f"The trials are of other functions ({_several(functions[0])}; {_several(functions[1])}): " + (
            f"{metric} may not mean the same."
        )
    stored = [[found for trial in trials if (found := trial.stored_result)] for trials in pairs]
    codes = [_distinct(code for found in side for code in found.get("codes", ())) for side in stored]
    if not settings and codes[0] != codes[1]:  # other settings may use other code
        yield f"The two were computed by other code: {names[0]} {_several(codes[0])}, {names[1]} {_several(codes[1])}."
    for name, own in zip(names, codes, strict=True):
        if len(own) > 1:
            yield f"The trials of {name} come from several versions of the code: {_several(own)}."
    versions = [_distinct(item for found in side for item in found.get("versions", {}).items()) for side in stored]
    if other := sorted({name for name, _ in set(versions[0]) ^ set(versions[1])}):
        yield f"The two were computed with other versions of {', '.join(other)}."
    machines = [_distinct(found.get("machine", {}).get("cpu") for found in side) for side in stored]
    if machines[0] != machines[1]:
        yield f"The two were computed on other machines: {_several(machines[0])}; {_several(machines[1])}."
    elif kind_of(metric).unit == "s":
        yield "A time depends on what else ran on the machine: that differs from trial to trial, too."


def _data(group: Group) -> list[str]:
    return _distinct(trial.spec.get("data") for trial in group.trials)


def _called(group: Group, data: Sequence[str]) -> str:
    """A data set by its setting's name, where there is one, and the beginning of its fingerprint."""
    name = flattened(group.settings).get("data.name", "data")
    return f"{name} {' and '.join(each[:12] for each in data) or 'without a fingerprint'}"


def _distinct(values: Any) -> list[Any]:
    return sorted({value for value in values if value is not None})


def _several(values: Sequence[Any]) -> str:
    return " and ".join(map(str, values)) or "unknown"


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) != 1)} {', '.join(map(str, seeds))}"


def lost(group: Group) -> str:
    """The trials of it that diverged or failed, which are in no pair: `seed 1 diverged`; "" where none is."""
    return _states([trial for trial in group.trials if trial.diverged or trial.state == "failed"])


def _states(trials: Sequence[StoredTrial], metric: str = "") -> str:
    """Which trials these are, by what became of them: `seed 1 failed, seeds 2, 3 finished`."""
    by_state: dict[str, list[int]] = {}
    for trial in trials:
        state = "diverged" if trial.diverged else trial.state
        if metric and state == "finished" and not is_finite(trial.result.get(metric)):
            state = f"finished without a finite {words(metric)}"
        by_state.setdefault(state, []).append(trial.seed)
    return ", ".join(f"{_seeds(sorted(seeds))} {state}" for state, seeds in by_state.items())
