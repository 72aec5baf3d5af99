"""What the study gelu-descent answers in words, from the paths that it walked."""

from itertools import pairwise
from typing import Any

import numpy as np

from underhood.studies.descent.drawings import digits


def answer(settings: dict[str, Any], found: dict[str, Any]) -> str:
    """What each path came to, then the comparisons that the paths allow."""
    descents = found["descents"]
    asked = [settings[key] for key in ("x0", "lr", "rule")]
    said = []
    if asked == [None] * 3:
        small, large, plain, momentum = descents
        said.append(_of_step_sizes(small, large, found["bottom"]))
        said.append(_of_momentum(plain, momentum))
    else:
        for each in descents:
            if not np.isfinite(each["path"][0]["f"]):
                said.append(
                    f"At the start, x = {digits(each['x0'])}, the function is not defined; there is nothing to do."
                )
                continue
            xs = ", ".join(digits(row["x"]) for row in each["path"][1:4])
            more = ", …" if len(each["path"]) > 4 else ""
            said.append(
                f"From {digits(each['x0'])} by {each['title']}: x = {xs}{more}; f goes from "
                f"{digits(each['path'][0]['f'])} to **{digits(each['path'][-1]['f'])}** in {steps_taken(each)}."
            )
    return "\n\n".join(said)


def _of_step_sizes(small: dict[str, Any], large: dict[str, Any], low: dict[str, float] | None) -> str:
    a, b = small["path"][-1]["f"], large["path"][-1]["f"]
    said = (
        f"**Step size.** From x = {digits(small['x0'])}, η = {small['lr']:g} comes in {steps_taken(small)} to "
        f"x = {digits(small['path'][-1]['x'])}, f = **{digits(a)}**; η = {large['lr']:g} comes to "
        f"x = {digits(large['path'][-1]['x'])}, f = **{digits(b)}**."
    )
    if not np.isfinite([a, b]).all() or a == b:
        return said
    better, worse = (large, small) if b < a else (small, large)
    said += f" So η = {better['lr']:g} gets lower here."
    if low is None:
        return said
    fraction = [
        (each["path"][0]["f"] - each["path"][-1]["f"]) / (each["path"][0]["f"] - low["f"])
        if each["path"][0]["f"] != low["f"]
        else 0.0
        for each in (better, worse)
    ]
    said += (
        f" The lowest point is f({digits(low['x'])}) = {digits(low['f'])}: η = {better['lr']:g} has covered "
        f"{100 * fraction[0]:.0f} % of the way down, η = {worse['lr']:g} {100 * fraction[1]:.0f} %."
    )
    signs = {np.sign(after["x"] - row["x"]) for row, after in pairwise(large["path"])}
    if signs <= {-1.0, 0.0} or signs <= {1.0, 0.0}:
        return said + " The large step never jumps across the valley: the curve is gentle enough for it."
    return said + " The large step jumps across the lowest point and comes back."


def _of_momentum(plain: dict[str, Any], momentum: dict[str, Any]) -> str:
    a, b = plain["path"], momentum["path"]
    moved = [abs(path[-1]["x"] - path[0]["x"]) for path in (a, b)]
    said = (
        f"**Momentum.** From x = {digits(plain['x0'])} plain gradient descent comes to x = {digits(a[-1]['x'])}, "
        f"f = **{digits(a[-1]['f'])}**; with momentum it is x = {digits(b[-1]['x'])}, f = **{digits(b[-1]['f'])}**."
    )
    if not np.isfinite([a[-1]["f"], b[-1]["f"]]).all():
        return said
    slower = b[-1]["f"] > a[-1]["f"]
    said += (
        f" Both have hardly moved ({moved[0]:.4g} and {moved[1]:.4g})."
        if max(moved) < 0.1
        else f" They have moved by {moved[0]:.4g} and {moved[1]:.4g}."
    )
    steeper = abs(a[-1]["slope"]) > abs(a[0]["slope"])
    if slower and steeper:
        return said + (
            " Momentum is a little **behind** here: the slope grows on the way down, and a mean over past slopes lags "
            "behind it. With this (1 − β) before the gradient, momentum smooths; it does not make steps larger."
        )
    if slower:
        return said + " Momentum is behind here."
    return said + " Momentum is ahead here." if b[-1]["f"] < a[-1]["f"] else said + " They end equally low."


def steps_taken(each: dict[str, Any]) -> str:
    taken = each["path"][-1]["t"]
    return f"{taken} step{'s' * (taken != 1)}"
