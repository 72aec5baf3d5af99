"""Arguments of a page, checked: what is wrong names the argument and the values that it may have."""

from typing import Any

from underhood.settings import SettingError


def number(key: str, value: Any, least: float, most: float | None = None, *, open_ends: str = "") -> None:
    """Raise SettingError unless `value` is a number from `least` to `most`; `open_ends` names ends not included."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    above = is_number and (value > least if "<" in open_ends else value >= least)
    below = is_number and (most is None or (value < most if ">" in open_ends else value <= most))
    if not (above and below):
        low = f"above {least:g}" if "<" in open_ends else f"from {least:g} on"
        high = "" if most is None else f" and below {most:g}" if ">" in open_ends else f" up to {most:g}"
        raise SettingError(key, f"a number {low}{high}, not {value!r}")


def whole(key: str, value: Any, least: int) -> None:
    """Raise SettingError unless `value` is a whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingError(key, f"a whole number from {least} on, not {value!r}")


def truth(key: str, value: Any) -> None:
    """Raise SettingError unless `value` is true or false."""
    if not isinstance(value, bool):
        raise SettingError(key, f"true or false, not {value!r}")
