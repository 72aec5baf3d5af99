"""`underhood check`: is it right, and if not, what is the mistake?"""

from typing import Annotated, Literal

from cyclopts import Group, Parameter

from underhood.cli.cost import Arguments, Input
from underhood.cli.output import Json, dump, print_table

OUTPUT = Group("Output", sort_key=9)


def check(
    thing: Annotated[
        str,
        Parameter(
            help="all, an operation (conv2d), a network (resnet20), optimiser (adam), augmentation (crop) or schedule "
            "(cosine) of ours, or FILE.py:thing with a network, a function with its backward, a "
            "torch.autograd.Function, an optimiser, a training."
        ),
    ] = "all",
    /,
    *,
    against: Annotated[
        str | None,
        Parameter(show_default=False, help="What it is meant to be: an operation, optimiser, network or training."),
    ] = None,
    input: Input = None,
    args: Arguments = None,
    oracle: Annotated[
        Literal["torch", "numbers"] | None,
        Parameter(show_default=False, help="Who is right: PyTorch, or numerical differentiation where it is absent."),
    ] = None,
    csv: Annotated[
        bool, Parameter(name="--csv", negative="", show_default=False, help="Print CSV.", group=OUTPUT)
    ] = False,
    markdown: Annotated[
        bool, Parameter(name="--markdown", negative="", show_default=False, help="Print Markdown.", group=OUTPUT)
    ] = False,
    json: Json = False,
) -> int:
    """Compare outputs and every gradient with what is right, and name the mistake.

    Operations are asked in every form, networks layer by layer, functions and
    optimisers of your own on the same questions; in float64 and float32, under
    random cotangents. The exit code is 1 when something differs. For example:

        underhood check conv2d
        underhood check resnet20
        underhood check mine.py:linear                (linear_backward beside it)
        underhood check net.py:Network --input 2,1,28,28
        underhood check net.py:Network --against simple-nn
        underhood check mine.py:MyAdam --against adamw
    """
    from underhood.instruments.check import check as compare
    from underhood.instruments.check.schedules import Schedules
    from underhood.instruments.target import parse_arguments
    from underhood.training.schedules import SCHEDULES, Moment

    found = compare(
        thing,
        against,
        input=input,
        arguments=parse_arguments(args or []),
        oracle=oracle,
        schedules=Schedules(SCHEDULES, Moment),
    )
    if json:
        dump(found.to_json())
    elif csv:
        print(found.to_csv(), end="")
    elif markdown:
        print(found.to_markdown())
    else:
        print_table(found)
    return 0 if found.agrees else 1
