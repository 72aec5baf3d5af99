"""`underhood profile`: how long every layer takes, forward and backward, beside the whole network."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from underhood.cli.cost import OUTPUT, Arguments, Input, Network, _flag
from underhood.cli.output import Json, dump, print_table, say, whole


def profile(
    network: Network,
    /,
    *,
    input: Input = None,
    args: Arguments = None,
    batch: Annotated[
        list[int] | None,
        Parameter(name="--batch", negative="", show_default=False, help="Batch; again for each of several."),
    ] = None,
    backend: Annotated[
        Literal["torch", "underhood", "both"] | None,
        Parameter(show_default=False, help="The library to run a network of ours on, or both side by side."),
    ] = None,
    device: Annotated[str, Parameter(help="cpu, cuda or cuda:1.")] = "cpu",
    threads: Annotated[
        int | None, Parameter(converter=whole, show_default=False, help="Threads to compute with.")
    ] = None,
    dtype: Annotated[
        Literal["float32", "float64", "bfloat16", "float16"], Parameter(help="The elements' type.")
    ] = "float32",
    memory_format: Annotated[
        Literal["contiguous", "channels_last"], Parameter(help="How images lie in memory.")
    ] = "contiguous",
    inference: Annotated[bool, _flag("--inference", "Forward alone, in evaluation mode, without a graph.")] = False,
    clock: Annotated[
        Literal["wall", "processor"],
        Parameter(help="Time by the wall's clock, or in processor seconds where others use the machine too."),
    ] = "wall",
    seconds: Annotated[float, Parameter(help="Stop measuring a network after so many seconds.")] = 10.0,
    trace: Annotated[
        Path | None,
        Parameter(name="--trace", show_default=False, help="Write a Chrome trace of one step (torch).", group=OUTPUT),
    ] = None,
    csv: Annotated[bool, _flag("--csv", "Print a line for each layer as CSV.", group=OUTPUT)] = False,
    markdown: Annotated[bool, _flag("--markdown", "Print the tables as Markdown.", group=OUTPUT)] = False,
    html: Annotated[
        Path | None, Parameter(name="--html", show_default=False, help="Write a page with charts.", group=OUTPUT)
    ] = None,
    json: Json = False,
) -> None:
    """Time a network, layer by layer.

    Every layer runs alone on the input that it has in the network, after a
    warm-up, in turns with the others, until its median is known; beside the
    layers' sum stands the whole network, and what the machine's memory and
    arithmetic would allow. The network is not changed. For example:

        underhood profile simple-conv-net --batch 64 --threads 1
        underhood profile listing1 --batch 8 --batch 32 --backend both
        underhood profile net.py:Network --input 32,1,28,28 --trace step.json
    """
    from underhood.instruments.inputs import parse_inputs
    from underhood.instruments.profile import profile as timed
    from underhood.instruments.stopwatch import Rule
    from underhood.instruments.target import parse_arguments, resolve

    arguments = parse_arguments(args or [])
    found = timed(
        network,
        parse_inputs(input, resolve(network, arguments).input) if input else None,
        arguments=arguments,
        batch=batch,
        backend=backend,
        device=device,
        threads=threads,
        dtype=dtype,
        memory_format=memory_format,
        training=not inference,
        clock=clock,
        trace=trace,
        rule=Rule(seconds=seconds),
    )
    show(found, json=json, csv=csv, markdown=markdown, html=html)


def show(found: Any, *, json: bool, csv: bool, markdown: bool, html: Path | None) -> None:
    """An instrument's finding in the form asked for; tables where none is."""
    if json:
        dump(found.to_json())
    elif csv:
        print(found.to_csv(), end="")
    elif markdown:
        print(found.to_markdown(), end="")
    elif html is None:
        for index, table in enumerate(found.tables()):
            print("\n" * (index > 0), end="")
            print_table(table)
    if html is not None:
        html.write_text(found.to_html(), encoding="utf-8")
        say(f"Written: {html}")
