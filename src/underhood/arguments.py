"""Whether a value is one that a function's parameter takes, as far as its annotation or its default tells.

hidden: Sequence[int] = (256,)       "4000,4000" is text; write [4000,4000]
"""

import inspect
import json
from collections.abc import Hashable
from functools import cache
from typing import Any

from pydantic import ValidationError, create_model
from pydantic.errors import PydanticUserError

from underhood.settings import Settings


def mistake(parameter: inspect.Parameter, value: Any) -> str:
    """What is wrong with the value, and what to write instead; "" where nothing is known to be."""
    is_list = isinstance(parameter.default, list | tuple)
    wrong = _against(parameter.annotation, value)
    if wrong is None:
        wrong = "is no list" if is_list and not isinstance(value, list | tuple) else ""
    if not wrong:
        return ""
    if is_list and isinstance(value, str | int | float) and not isinstance(value, bool):
        return f"{_shown(value)} is {'text' if isinstance(value, str) else 'a number'}; write [{value}]"
    return wrong if _shown(value) in wrong else f"{_shown(value)}: {wrong}"


def _against(annotation: Any, value: Any) -> str | None:
    """What pydantic says of the value; None where the annotation tells nothing."""
    if annotation is inspect.Parameter.empty or isinstance(annotation, str) or not isinstance(annotation, Hashable):
        return None
    model = _model(annotation)
    if model is None:
        return None
    try:
        model.model_validate({"value": value})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"].removeprefix("Input ")
    return ""


@cache
def _model(annotation: Any) -> type[Settings] | None:
    """Settings of one value of this type, so that text is no number here either; None where pydantic knows no such."""
    try:
        return create_model("Argument", __base__=Settings, value=(annotation, ...))
    except (PydanticUserError, TypeError, NameError):
        return None


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
