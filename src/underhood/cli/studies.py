"""`underhood studies` and `underhood show`: what there is to find out, and what one study is made of."""

from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any, get_args

from cyclopts import Parameter

from underhood.cli.output import Json, print_json

ROOM = 30  # a value that is wider does not push the notes of all others aside

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from underhood.lab.study import Study
    from underhood.settings import Settings


def studies(*, json: Json = False) -> None:
    """List the studies by theme, with the time that each takes.

    For example:

        underhood studies
        underhood studies --json
    """
    if json:
        from underhood.studies import every

        return print_json("studies", studies=[_summary(study) for study in every()])
    from underhood.studies.listing import listed

    known = listed()
    width = max(len(study.name) for study in known)
    for theme in dict.fromkeys(study.theme for study in known):
        print(theme)
        for study in known:
            if study.theme == theme:
                times = ", ".join(f"{name} {time}" for name, time in study.times.items())
                print(f"  {study.name:<{width}}  {study.title}")
                print(f"  {'':<{width}}  {times}")
        print()
    print("`underhood show STUDY` says what one does, `underhood run STUDY` runs it.")
    return None


def show(
    study: Annotated[str, Parameter(help="A study's name, or a Python file with a study of your own.")],
    /,
    *,
    json: Json = False,
) -> None:
    """Show a study's question, its scales and its settings.

    Every setting is listed with its value and its meaning. For example:

        underhood show quickstart
        underhood show my_study.py
    """
    from underhood.studies import find

    found = find(study)
    if json:
        print_json("study", **_summary(found), settings=found.settings.model_json_schema())
    else:
        print(_description(found, study))


def _summary(study: "Study") -> dict[str, Any]:
    return {
        "name": study.name,
        "title": study.title,
        "theme": study.theme,
        "question": study.question,
        "source": study.source,
        "axes": study.axes,
        "scales": {
            name: {"summary": scale.summary, "seeds": scale.seeds, "time": scale.time, "set": scale.set}
            for name, scale in study.scales.items()
        },
    }


def _description(study: "Study", word: str) -> str:
    """The study on one screen."""
    from underhood.lab.study import grids
    from underhood.values import write_value

    lines = [study.title, "", study.question]
    lines += ["", f"Source: {study.source}"] if study.source else []
    for i, grid in enumerate(filter(None, grids(study.axes))):
        lines += ["", "and compared" if i else "Compared"]
        lines += [f"  {key}: {'; '.join(map(write_value, values))}" for key, values in grid.items()]
    lines += ["", "Scales (--scale NAME)"]
    lines += [f"  {name:<8}{_comma(scale.summary, scale.time)}" for name, scale in study.scales.items()]
    lines += ["", "Settings (--set KEY=VALUE)", *_settings(study)]
    return "\n".join([*lines, "", f"underhood run {word} --scale {next(iter(study.scales))}"])


def _settings(study: "Study") -> list[str]:
    """A line for each setting: its key, the value it has here, and what it may be."""
    from underhood.lab.study import grids
    from underhood.settings import flattened, load, settings_fields
    from underhood.values import write_value

    settings = load(study.settings, base=study.base)
    values = flattened(settings.model_dump(mode="json"))
    fields = settings_fields(study.settings)
    axes = [axis for grid in grids(study.axes) for axis in grid]
    compared = {key for key in values for axis in axes if f"{key}.".startswith(f"{axis}.")}
    shown = {key: "compared" if key in compared else write_value(value) for key, value in values.items()}
    width = max(map(len, shown))
    room = max(len(text) for text in shown.values() if len(text) <= ROOM)
    lines: list[str] = []
    for key, text in shown.items():
        notes = _comma(fields[key].description if key in fields else "", _choices(settings, fields.get(key), key))
        column = " " * (4 + width + room + 2)
        start = f"  {key:<{width}}  {text:<{room}}  "
        if len(start) > len(column):  # a long value has its line to itself
            lines.append(start.rstrip())
            start = column
        if notes or start.strip():
            lines += wrap(start + notes, 100, subsequent_indent=column, break_on_hyphens=False, drop_whitespace=True)
    return lines


def _choices(settings: "Settings", field: "FieldInfo | None", key: str) -> str:
    """The values that a setting takes, where they are words: its type's, or the pages that it can name."""
    from underhood.settings import value_at

    words = [word for word in get_args(field.annotation) if isinstance(word, str)] if field else []
    holder, _, last = key.rpartition(".")
    entries = getattr(value_at(settings, holder), "entries", None) if holder and last == "name" else None
    words = words or list(entries() if entries else ())
    several = [inner for inner in get_args(field.annotation) if hasattr(inner, "entries")] if field else []
    if several:
        return f"any of {', '.join(several[0].entries())}"
    return f"one of {', '.join(words)}" if words else ""


def _comma(*texts: str | None) -> str:
    return ", ".join(filter(None, texts))
