"""A grid search: short trainings choose some settings by validation, and the training proper is run with these.

    search = {epochs = 3, over = {"optimizer.lr" = [0.001, 0.003, 0.01], "penalty.l2" = [1e-4, 1e-3]}}

    chosen = argmin e(c) over all c of the grid's product     e: what `watch` names, after the last of `epochs` epochs

All candidates have the trial's seed: the same validation images, initial weights and order of batches. Of several that
are equally good the first is chosen, and none that diverges as long as another does not. No candidate is shown the
test images. The result's `search` holds what each of them found.

Source: common practice; Goodfellow, Bengio & Courville 2016, "Deep learning", section 11.4.3.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from underhood.settings import Mistakes, SettingError, Settings, build, flattened, from_dict
from underhood.training.learner import Learner, NetworkLearner
from underhood.training.loop import train
from underhood.training.pipeline import Parts
from underhood.training.selection import best
from underhood.training.settings import TrainingSettings
from underhood.trials import Checkpoint, Context, Event, Metric, Note, Result
from underhood.values import write_value

# A candidate is trained for a number of epochs of its own, and evaluated once, at its end.
ITS_OWN: dict[str, Any] = {
    "train_curve": False,
    "test_curve": False,
    "patience": 0,
    "goal": 0,
    "weights": "last",
    "histograms.epochs": [],
}
NOT_SEARCHED = ("epochs", "evaluate_every", *ITS_OWN)


class SearchSettings(Settings):
    """Settings by dotted key with the values to try, each combination for `epochs` epochs; no key, no search."""

    over: dict[str, Any] = Field(default_factory=dict)
    epochs: int = Field(default=3, ge=1)

    @field_validator("over", mode="after")
    @classmethod
    def _by_dotted_key(cls, given: dict[str, Any]) -> dict[str, Any]:
        """TOML's tables and the command line's dots mean the same."""
        over = flattened(given)
        for key, values in over.items():
            if not isinstance(values, list | tuple) or not values:
                raise ValueError(f"{key}: a list of values to try, not {write_value(values)}")
        return {key: list(values) for key, values in over.items()}

    def candidates(self) -> list[dict[str, Any]]:
        """The points of the grid, its last key turning fastest."""
        if not self.over:
            return []
        return [dict(zip(self.over, values, strict=True)) for values in product(*self.over.values())]


class SearchedSettings(TrainingSettings):
    """A training, some of whose settings are chosen by `search` before it begins."""

    search: SearchSettings = Field(default_factory=SearchSettings)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        candidates = self.search.candidates()
        if candidates and not self.data.validation:
            raise SettingError("search", "chooses by validation images; hold some out, as in data.validation = 0.1")
        for key in self.search.over:
            if key in NOT_SEARCHED:
                raise SettingError("search.over", f"{key}: is no choice, for the candidates have their own")
        for values in candidates:
            try:
                candidate(self, values)
            except Mistakes as wrong:
                raise SettingError("search.over", wrong.lines[0]) from wrong
        return self

    def trainings(self) -> Sequence[TrainingSettings] | None:
        """The candidates', and the one chosen: any is of one length."""
        tried = self.search.candidates()
        every = [*(candidate(self, values) for values in tried), chosen(self, tried[0])] if tried else [self]
        return every if all(each.devices == 1 for each in every) else None


def chosen(settings: SearchedSettings, values: Mapping[str, Any]) -> SearchedSettings:
    """The settings of the training proper, with nothing left to search."""
    kept = settings.model_dump(mode="json", exclude={"search"})
    return build(type(settings), [from_dict(kept), from_dict(values)])


def candidate(settings: SearchedSettings, values: Mapping[str, Any]) -> SearchedSettings:
    """The settings of a candidate's short training."""
    epochs = settings.search.epochs
    return chosen(settings, {**values, **ITS_OWN, "epochs": epochs, "evaluate_every": epochs})


@dataclass
class _Search:
    """How far a trial is: what the candidates found so far, and whether the training proper has begun."""

    found: list[dict[str, Any]] = field(default_factory=list)
    training: bool = False

    def checkpoint(self, inner: Checkpoint) -> Checkpoint:
        return Checkpoint(inner.tensors, {"found": self.found, "training": self.training, "inner": inner.state})

    @classmethod
    def restored(cls, saved: Checkpoint | None) -> "tuple[_Search, Checkpoint | None]":
        """Undo `checkpoint`; the second is where the training that was under way stood."""
        if saved is None:
            return cls(), None
        state = saved.state
        return cls(list(state["found"]), state["training"]), Checkpoint(saved.tensors, state["inner"])


def search_and_train(
    settings: SearchedSettings,
    seed: int,
    context: Context,
    learner: Callable[[TrainingSettings, int, Parts], Learner] = NetworkLearner,
) -> Iterator[Event]:
    """Try the grid's candidates, then train as `train` does with the best; its result has `search` beside the rest.

    `search` is None without a grid, else {"epochs", "chosen": an index, "candidates": [{"values", "diverged",
    "validation_loss", "validation_error", "seconds"}]}.
    """
    grid = settings.search.candidates()
    search, inner = _Search.restored(context.resume)
    for values in grid[len(search.found) :]:
        outcome = yield from _tried(search, candidate(settings, values), seed, replace(context, resume=inner))
        if outcome is None:
            return
        inner = None
        search.found.append({"values": values, **outcome})
        yield Note(_said(search.found[-1], settings.search.epochs))
    number = _best(search.found, settings.watch)
    if grid and not search.training:
        yield Note(f"chosen: {_words(grid[number])}")
    search.training = True
    proper = chosen(settings, grid[number] if grid else {})
    for event in train(proper, seed, replace(context, resume=inner), learner):
        if isinstance(event, Checkpoint):
            yield search.checkpoint(event)
        elif isinstance(event, Result):
            tried = {"epochs": settings.search.epochs, "chosen": number, "candidates": search.found}
            yield Result({**event.values, "search": tried if grid else None})
        else:
            yield event


def _tried(
    search: _Search, settings: SearchedSettings, seed: int, context: Context
) -> Generator[Event, None, dict[str, Any] | None]:
    """What a candidate finds at its end, before the test images would be read; None when it was asked to stop."""
    seconds = 0.0
    for event in train(settings, seed, context):
        if isinstance(event, Checkpoint):
            yield search.checkpoint(event)
        elif isinstance(event, Metric):
            seconds = event.values.get("seconds", seconds)
            if "validation_error" in event.values:
                found = {key: event.values[key] for key in ("validation_loss", "validation_error")}
                return {"diverged": False, **found, "seconds": seconds}
        elif isinstance(event, Result):
            return {"diverged": True, "validation_loss": None, "validation_error": None, "seconds": seconds}
    return None


def _best(found: list[dict[str, Any]], watch: str) -> int:
    """The candidate whose watched value is lowest; the first where all diverged."""
    return best([float("nan") if each["diverged"] else each[watch] for each in found]) or 0


def _said(found: Mapping[str, Any], epochs: int) -> str:
    taken = f"{epochs} epoch{'s' * (epochs != 1)}"
    if found["diverged"]:
        return f"{_words(found['values'])}: diverged within {taken}"
    return f"{_words(found['values'])}: validation error {found['validation_error']:.2%} after {taken}"


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {write_value(value)}" for key, value in values.items())
