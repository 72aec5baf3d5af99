"""Results that nobody measured, to hold the words of a report against."""

from types import SimpleNamespace

from underhood.lab import Group, Results
from underhood.lab.labels import labels, varying
from underhood.lab.study import Study, settings_of
from underhood.values import is_number


def trial(settings, seed, result, metrics=()):
    """A finished trial, or one that diverged where its result says so; `metrics`, or its own, are its lines."""
    lines = list(result.get("metrics", metrics))
    trained = {"epochs": settings["epochs"], "steps": 100} if "epochs" in settings else {}
    result = trained | result
    return SimpleNamespace(
        seed=seed,
        settings=settings,
        state="finished",
        seconds=60.0,
        diverged=bool(result.get("diverged")),
        result=result,
        numbers={name: value for name, value in result.items() if is_number(value)},
        metrics=lines,
        metric=lambda name: {line["step"]: line[name] for line in lines if name in line},
        answers=lambda: None,
    )


def results(study: Study, *found: list[dict], scale="full", metrics=(), sets=()) -> Results:
    """The study's groups at a scale, in their order, each with a trial for every result in its list."""
    settings = [each.model_dump(mode="json") for each in settings_of(study, study.scale(scale), sets)]
    assert len(settings) == len(found)
    values = varying(settings)
    return Results(
        tuple(
            Group(label, value, each, tuple(trial(each, seed, r, metrics) for seed, r in enumerate(of)))
            for label, value, each, of in zip(labels(values), values, settings, found, strict=True)
        )
    )
