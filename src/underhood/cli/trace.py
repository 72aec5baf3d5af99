"""`underhood trace`: any number in a network, as its equation with the real numbers put in."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from underhood.cli.cost import Arguments, Input, Network
from underhood.cli.output import Json, dump, say, whole

OUTPUT = Group("Output", sort_key=9)


def trace(
    network: Network,
    /,
    *,
    unit: Annotated[
        str | None,
        Parameter(
            show_default=False, help="An activation or weight: conv2[3,4,5], fc1[7], input[0,4,4], E (the loss)."
        ),
    ] = None,
    gradient: Annotated[
        str | None,
        Parameter(show_default=False, help="∂E/∂ a unit: conv1.weight[0,0,2,2], conv2[3,4,5], input[0,4,4]."),
    ] = None,
    depth: Annotated[
        int, Parameter(converter=whole, help="Levels to unfold: an activation down to pixels, a gradient up to E.")
    ] = 1,
    terms: Annotated[int, Parameter(converter=whole, help="Summands of each equation to show and to follow.")] = 8,
    input: Input = None,
    data: Annotated[
        str | None, Parameter(show_default=False, help="Take a test image of this data set for the input.")
    ] = None,
    index: Annotated[int, Parameter(converter=whole, help="Which image, counted from 0.")] = 0,
    target: Annotated[
        int | None, Parameter(show_default=False, help="The class of the loss E; the image's own, or 0.")
    ] = None,
    weights: Annotated[
        Path | None, Parameter(show_default=False, help="Weights from an .npz or .safetensors file.")
    ] = None,
    seed: Annotated[int, Parameter(converter=whole, help="Of the random input and initial weights.")] = 0,
    args: Arguments = None,
    html: Annotated[
        Path | None,
        Parameter(
            name="--html",
            show_default=False,
            help="Write a page: of one unit, that unfolds; without a unit, of the whole network, to explore.",
            group=OUTPUT,
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Unfold one number of a network into its equation, with the real numbers.

    One pass on the engine in float64 is read off its tape. Each sum is held
    against the engine's number and that against PyTorch's; the exit code is 1
    when one differs. Without a unit, --html writes the whole network as a
    page: every layer's numbers as maps, any number's equation at a click.
    For example:

        underhood trace simple-nn --unit conv2[3,4,5]
        underhood trace simple-conv-net --unit fc2[7] --data mnist --depth 5 --terms 2
        underhood trace simple-nn --gradient conv1.weight[0,0,2,2] --depth 9 --terms 1
        underhood trace net.py:Network --unit fc1[0] --input 1,1,28,28 --html fc1.html
        underhood trace resnet20 --data cifar10 --html resnet20.html
    """
    from underhood.instruments.target import parse_arguments
    from underhood.instruments.trace import explore
    from underhood.instruments.trace import trace as unfold

    fed: dict[str, Any] = {
        "input": input,
        "data": data,
        "index": index,
        "target": target,
        "weights": weights,
        "seed": seed,
        "arguments": parse_arguments(args or []),
    }
    if unit is None and gradient is None and html is not None and not json:
        page = explore(network, **fed)
        html.write_text(page.to_html(), encoding="utf-8")
        say(str(page))
        say(f"Written: {html}")
        return 0
    found = unfold(network, unit, gradient=gradient, depth=depth, terms=terms, **fed)
    if json:
        dump(found.to_json())
    elif html is None:
        print(found)
    if html is not None:
        html.write_text(found.to_html(), encoding="utf-8")
        say(f"Written: {html}")
    return 0 if found.agrees else 1
