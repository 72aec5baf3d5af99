"""`underhood scaling`: what more workers bring a training, and what their communication takes."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from underhood.cli.cost import OUTPUT, Arguments, Input, Network, _flag
from underhood.cli.output import Json, say
from underhood.cli.profile import show
from underhood.errors import BadInput


def _numbers(help: str, name: str) -> Parameter:
    return Parameter(name=name, show_default=False, help=help)


def scaling(
    network: Network,
    /,
    *,
    input: Input = None,
    args: Arguments = None,
    batch: Annotated[str, _numbers("Batches of each worker, as 32,128,512; by default 32,128.", "--batch")] = "32,128",
    devices: Annotated[str, _numbers("Numbers of workers, as 1,2,4; by default 1,2.", "--devices")] = "1,2",
    data: Annotated[
        str | None, Parameter(show_default=False, help="Train on this set's images; by default on random numbers.")
    ] = None,
    optimizer: Annotated[str | None, Parameter(show_default=False, help="By default the sheet's SGD.")] = None,
    steps: Annotated[int, Parameter(help="Steps of a round.")] = 5,
    rounds: Annotated[int, Parameter(help="Rounds; their median counts.")] = 5,
    warmup: Annotated[int, Parameter(help="Steps before the first round.")] = 3,
    epochs: Annotated[
        int, Parameter(help="2: the sheet's protocol, whole epochs of which the second counts; 0: steps.")
    ] = 0,
    threads: Annotated[int, Parameter(help="Threads of each worker.")] = 1,
    device: Annotated[
        Literal["cpu", "cuda"], Parameter(help="Where workers compute: gloo or nccl between them.")
    ] = "cpu",
    hosts: Annotated[
        str | None,
        _numbers("Other machines, as host1,host2 or NAME=ADDRESS,…; the first is where they meet.", "--hosts"),
    ] = None,
    via: Annotated[str | None, _numbers('How a host is reached; by default "ssh {host}".', "--via")] = None,
    fit: Annotated[str | None, _numbers("Grow the batch fourfold until it does not fit: 4GB, or all.", "--fit")] = None,
    weak: Annotated[bool, _flag("--weak", "Leave out strong scaling, the batch shared.")] = False,
    csv: Annotated[bool, _flag("--csv", "Print a line for each measurement as CSV, in seconds.", group=OUTPUT)] = False,
    markdown: Annotated[bool, _flag("--markdown", "Print the tables as Markdown.", group=OUTPUT)] = False,
    html: Annotated[
        Path | None, Parameter(name="--html", show_default=False, help="Write a page with the chart.", group=OUTPUT)
    ] = None,
    json: Json = False,
) -> None:
    """Measure how a training scales over workers.

    Time and speed-up, computation and communication, all-reduce and
    bandwidth, weak and strong, and what the measurements predict for up to
    1,024 workers. Workers are started by torchrun. For example:

        underhood scaling simple-nn --batch 32,128 --devices 1,2
        underhood scaling resnet18-cifar --args width=8 --data cifar10 --devices 1,2,4
        underhood scaling resnet18-cifar --batch 32,128,512 --epochs 2 --data cifar10 --fit 8GB
        underhood scaling net.py:Network --input 1,3,32,32 --devices 2,4 --hosts left,right
    """
    from underhood.instruments.inputs import parse_inputs
    from underhood.instruments.scaling import scaling as measured
    from underhood.instruments.scaling.question import SGD
    from underhood.instruments.target import parse_arguments, resolve

    arguments = parse_arguments(args or [])
    found = measured(
        network,
        parse_inputs(input, resolve(network, arguments).input) if input else None,
        arguments=arguments,
        batch=_list("--batch", batch),
        devices=_list("--devices", devices),
        hosts=[] if hosts is None else hosts.split(","),
        via=via,
        data=data,
        optimizer=optimizer or SGD,
        steps=steps,
        rounds=rounds,
        warmup=warmup,
        epochs=epochs,
        threads=threads,
        device=device,
        fit=fit,
        strong=not weak,
        say=say,
    )
    show(found, json=json, csv=csv, markdown=markdown, html=html)


def _list(option: str, text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise BadInput(f'{option} "{text}": whole numbers with commas between them, as 1,2,4') from None
