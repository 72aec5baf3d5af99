"""`underhood cost`: parameters, multiply–adds, activations and receptive field of every layer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from underhood.cli.output import Json, dump, print_table, say
from underhood.errors import BadInput

if TYPE_CHECKING:
    from underhood.instruments.cost import Cost
    from underhood.instruments.cost.compare import Comparison

OUTPUT = Group("Output", sort_key=9)

Network = Annotated[
    str, Parameter(help="A network of ours by name (vgg16), FILE.py:Class, FILE.py:build(), package.module:Class.")
]
Input = Annotated[
    list[str] | None,
    Parameter(
        name="--input",
        negative="",
        show_default=False,
        help="Shape of the input with its batch: 32,1,28,28. Again for each input; name=1,3,32,32 for a keyword, "
        "batch.image=… for an entry of a dict; 1,16:int64 for another dtype. Networks of ours know theirs.",
    ),
]
Arguments = Annotated[
    list[str] | None,
    Parameter(
        name="--args",
        negative="",
        show_default=False,
        help="Argument of the class or function, as classes=100; again for each.",
    ),
]


def _flag(name: str, help: str, **options: Any) -> Any:
    return Parameter(name=name, negative="", show_default=False, help=help, **options)


def cost(
    network: Network,
    other: Annotated[str, Parameter(help="A second network, to stand beside the first.")] = "",
    /,
    *,
    input: Input = None,
    args: Arguments = None,
    convention: Annotated[
        Literal["parameters", "weights", "buffers"],
        Parameter(help="What counts as a parameter: all that is learnt, weights alone, or running statistics too."),
    ] = "parameters",
    depth: Annotated[
        int | None, Parameter(show_default=False, help="Sum up what lies deeper than this in the tree of modules.")
    ] = None,
    training: Annotated[bool, _flag("--training", "Run the pass in training mode.")] = False,
    verify: Annotated[
        bool, _flag("--verify", "Check receptive fields by gradients and the total by FlopCounterMode (slow).")
    ] = False,
    brief: Annotated[bool, _flag("--brief", "Leave the sums out.", group=OUTPUT)] = False,
    csv: Annotated[bool, _flag("--csv", "Print the layers as CSV.", group=OUTPUT)] = False,
    markdown: Annotated[bool, _flag("--markdown", "Print the tables as Markdown.", group=OUTPUT)] = False,
    html: Annotated[
        Path | None, Parameter(name="--html", show_default=False, help="Write a page with a chart.", group=OUTPUT)
    ] = None,
    json: Json = False,
) -> int:
    """Count what a network costs, layer by layer, with every sum.

    Parameters, multiply–adds, activation bytes and receptive field, from one
    pass that needs no memory; the network is not changed. The exit code is 1
    when --verify finds a difference. For example:

        underhood cost vgg19
        underhood cost resnet50 resnet50-v1 --depth 0
        underhood cost net.py:Network --input 32,1,28,28 --args classes=100
        underhood cost googlenet --brief --html googlenet.html
    """
    from underhood.instruments.cost import cost as count
    from underhood.instruments.cost.compare import compare
    from underhood.instruments.inputs import parse_inputs
    from underhood.instruments.target import parse_arguments, resolve

    if other and verify:
        raise BadInput("--verify checks one network at a time")
    options: dict[str, Any] = {"convention": convention, "depth": depth, "training": training}
    arguments = parse_arguments(args or [])

    def counted(name: str) -> "Cost":
        target = resolve(name, arguments)
        inputs = parse_inputs(input, target.input) if input else None
        return count(target, inputs, **options)

    found: Cost | Comparison = compare(counted(network), counted(other)) if other else counted(network)
    if json:
        dump(found.to_json())
    elif csv:
        print(found.to_csv(), end="")
    elif markdown:
        print(found.to_markdown(), end="")
    elif html is None or verify:
        skipped = {"arithmetic"} if brief else set()
        for index, table in enumerate(table for table in found.tables() if table.name not in skipped):
            print("\n" * (index > 0), end="")
            print_table(table)
    if html is not None:
        html.write_text(found.to_html(), encoding="utf-8")
        say(f"Written: {html}")
    return _verified(found) if verify else 0  # type: ignore[arg-type]


def _verified(found: "Cost") -> int:
    """Check fields and total the long way."""
    from underhood.instruments.cost.verify import boxes, boxes_table, flop_counter_macs

    say("Checking receptive fields by gradients…")
    checked = boxes(found)
    if checked:
        print()
        print_table(boxes_table(found.name, checked))
    macs = flop_counter_macs(found)
    same = macs == found.macs
    print(f"\nFlopCounterMode on meta: {macs:,} MACs, {'equal' if same else f'not {found.macs:,}'}.")
    return 0 if same and all(box.agrees for box in checked) else 1
