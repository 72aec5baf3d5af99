"""`underhood memory`: what a training step takes, by kind, and what fits under a ceiling."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from underhood.cli.cost import OUTPUT, Arguments, Input, Network, _flag
from underhood.cli.output import Json
from underhood.cli.profile import show


def memory(
    network: Network,
    /,
    *,
    input: Input = None,
    args: Arguments = None,
    batch: Annotated[
        list[int] | None,
        Parameter(name="--batch", negative="", show_default=False, help="Batch; again for each of several."),
    ] = None,
    optimizer: Annotated[
        list[str] | None,
        Parameter(
            name="--optimizer",
            negative="",
            show_default=False,
            help="sgd (the default), adam, sgd,momentum=0.9 …; again for each.",
        ),
    ] = None,
    measure: Annotated[bool, _flag("--measure", "Train three steps in a process of its own; its peak.")] = False,
    where: Annotated[Literal["cpu", "cuda"], Parameter(help="Where --measure trains, and what is predicted.")] = "cpu",
    backend: Annotated[
        Literal["torch", "underhood"], Parameter(help="The library that trains: PyTorch, or the engine by its plan.")
    ] = "torch",
    fit: Annotated[
        str | None,
        Parameter(name="--fit", show_default=False, help="A ceiling for the process, as 512MB: what fits under it."),
    ] = None,
    device: Annotated[
        str | None,
        Parameter(show_default=False, help="A device's profile: jetson-nano, raspberry-pi-4, tesla-t4."),
    ] = None,
    csv: Annotated[bool, _flag("--csv", "Print a line for each step as CSV, in bytes.", group=OUTPUT)] = False,
    markdown: Annotated[bool, _flag("--markdown", "Print the tables as Markdown.", group=OUTPUT)] = False,
    html: Annotated[
        Path | None, Parameter(name="--html", show_default=False, help="Write a page with the timeline.", group=OUTPUT)
    ] = None,
    json: Json = False,
) -> None:
    """Predict the memory that training takes, and say what fits.

    Weights, gradients, the optimiser's state, saved activations, workspace,
    heap and runtime at the peak of a step, without running the network. For
    example:

        underhood memory resnet20 --batch 64 --batch 128 --optimizer adam
        underhood memory vgg11 --batch 8 --measure
        underhood memory resnet20 --batch 64 --backend underhood
        underhood memory resnet20 --batch 256 --fit 512MB
        underhood memory resnet20 --batch 256 --backend underhood --fit 256MB
        underhood memory net.py:Network --input 4,3,32,32 --device jetson-nano
    """
    from underhood.instruments.inputs import parse_inputs
    from underhood.instruments.memory import memory as predicted
    from underhood.instruments.target import parse_arguments, resolve

    arguments = parse_arguments(args or [])
    found = predicted(
        network,
        parse_inputs(input, resolve(network, arguments).input) if input else None,
        arguments=arguments,
        batch=batch,
        optimizer=optimizer or "sgd",
        measure=measure,
        fit=fit,
        device=device,
        where=where,
        backend=backend,
    )
    show(found, json=json, csv=csv, markdown=markdown, html=html)
