"""Data-parallel training: what two and four workers bring, and what their communication takes.

The sheet's ResNet-18 (11,173,962 parameters, 44.7 MB of gradients) trains on CIFAR-10 with its transforms, SGD 0.1,
momentum 0.9, weight decay 5e−4. Workers are torch.distributed's: GPUs over nccl where there are some (then the sheet's
DataParallel beside DDP), else processes of this machine over gloo. `full` is the sheet's protocol, two epochs of which
the second counts; the smaller scales take a few steps, of a narrower network.

Source: "Homework 3" of a course on deep learning systems, problem 2.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from underhood.lab import Results, Scale, Study
from underhood.report.document import Block, Document, Equation, Section
from underhood.settings import Settings
from underhood.studies.scaling import answers
from underhood.training.settings import NetworkSettings
from underhood.trials import Checkpoint, Context, Event, Note, Result

FORMULAS = [
    Equation(
        r"t(k) = 2(k-1)\,\alpha + \frac{2(k-1)}{k} \cdot \frac{S}{B}",
        "The ring all-reduce of $S$ bytes over $k$ workers: each sends a $k$-th to the next, $k-1$ times to add and "
        r"$k-1$ times to hand round; $\alpha$ is a message's latency, $B$ a link's bytes a second.",
    ),
    Equation(
        r"\text{bus bandwidth} = \frac{S}{t} \cdot \frac{2(k-1)}{k} \qquad \text{utilisation} = "
        r"\frac{\text{bus bandwidth}}{B}",
        "What an all-reduce that took $t$ seconds drew from each link, whatever its algorithm.",
    ),
]


Count = Annotated[int, Field(ge=1)]


class DataParallelSettings(Settings):
    """What trains, on how many workers, and for how long it is timed."""

    network: NetworkSettings = Field(
        default_factory=lambda: NetworkSettings(name="resnet18-cifar"), description="a network of ours"
    )
    data: str | None = Field("cifar10", description="the images' set; none for random numbers")
    batch: list[Count] = Field([32, 128, 512], description="each worker's batches", min_length=1)
    workers: list[Count] = Field([1, 2, 4], description="numbers of workers", min_length=1)
    optimizer: str = Field("sgd,lr=0.1,momentum=0.9,weight_decay=5e-4", description="PyTorch's, in words")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="GPUs where there are enough, or the processor")
    threads: int = Field(1, ge=1, description="of each worker")
    epochs: Literal[0, 2] = Field(2, description="2: the sheet's protocol; 0: the short form on steps")
    steps: int = Field(5, ge=1, description="of a round, in the short form")
    rounds: int = Field(5, ge=1, description="in the short form")
    warmup: int = Field(3, ge=1, description="steps before the first round, in the short form")
    memory: str | None = Field(
        "all", description="up to which one worker's batch is grown, as 1GB, or all that is free; none: not grown"
    )


def measure(settings: DataParallelSettings, seed: int, context: Context) -> Iterator[Event]:
    """All cells of the tables by the instrument `scaling`; what one number of workers gave is kept."""
    from underhood.instruments.pytorch import load_torch
    from underhood.instruments.scaling import Question, Scaling, measuring
    from underhood.instruments.scaling.launch import StoppedError

    torch = load_torch("data-parallel")
    gpus = torch.cuda.device_count()
    device = settings.device
    if device == "auto":
        device = "cuda" if gpus >= max(settings.workers) else "cpu"
    said: list[str] = []
    names = ("data", "batch", "optimizer", "steps", "rounds", "warmup", "epochs", "threads")
    asked = Question(
        settings.network.name,
        arguments=settings.network.arguments,
        devices=settings.workers,
        device=device,
        root=context.data,
        fit=settings.memory,
        say=said.append,
        stopping=context.stopping,
        **{name: getattr(settings, name) for name in names},
    )
    known = Scaling.restored(context.resume.state["scaling"]).workers if context.resume else ()
    try:
        for found in measuring(asked, known):
            yield from map(Note, said)
            said.clear()
            yield Checkpoint({}, {"scaling": found.stored()})
    except StoppedError:
        return
    yield Result({"scaling": found.stored(), "gpus": gpus, "torch": torch.__version__})


def report(results: Results) -> Document:
    """The sheet's tables and its questions, answered from what was measured."""
    from underhood.instruments.scaling import Scaling, tables

    trial = results.groups[0].counted[0]
    found, gpus = Scaling.restored(trial.result["scaling"]), trial.result["gpus"]
    model = found.model()
    several = any(count > 1 for count in found.devices)
    first: list[Block] = [tables.table1(found), *answers.one_worker(found)]
    first += [tables.growth_table(found)] if found.growth else []
    sections = [Section("Table 1: time and speed-up", first)]
    if several:
        shared = tables.strong_table(found)
        strong: list[Block] = [shared] if shared.rows else []
        sections += [
            Section("Which scaling", [*answers.which_scaling(found), *strong]),
            Section("Table 2: computation and communication", [*answers.told_apart(found), tables.table2(found)]),
            Section(
                "Table 3: the all-reduce and its bandwidth",
                [*FORMULAS, tables.table3(found), *answers.bandwidth(found), tables.link_table(found)],
            ),
        ]
    if model is not None and (figure := found.figure()):
        past: list[Block] = [*answers.prediction(found, model), figure, tables.model_table(found, model)]
        sections.append(Section("Past this machine", past))
    sections.append(Section("How it was measured", list(answers.conditions(found, gpus, trial.result["torch"]))))
    return Document(ENTRY.title, ENTRY.question, answers.answer(found), sections, answers.headline(found))


def _data(settings: Any) -> str | None:
    name: str | None = settings.data
    return name


NARROW = {"name": "resnet18-cifar", "width": 8}

ENTRY = Study(
    name="data-parallel",
    title="Data-parallel training, measured",
    question="How much faster is training on two and four workers, and what does their communication take?",
    theme="Measuring",
    source="deep learning systems, homework 3, problem 2",
    settings=DataParallelSettings,
    trial=measure,
    data=_data,
    compares=(),
    seeded=False,
    timed=True,
    scales={
        "smoke": Scale(
            "random images, a very narrow ResNet-18, batch 4, 1 and 2 workers, a few steps",
            seeds=1,
            set={
                "network": {"name": "resnet18-cifar", "width": 2},
                "data": None,
                "batch": [4],
                "workers": [1, 2],
                "epochs": 0,
                "steps": 2,
                "rounds": 2,
                "warmup": 1,
                "memory": None,
            },
            time="30 s",
        ),
        "quick": Scale(
            "CIFAR-10, ResNet-18 of width 8, batches 32 and 128, 1, 2 and 4 workers, 15 steps each way",
            seeds=1,
            set={"network": NARROW, "batch": [32, 128], "epochs": 0, "steps": 3, "warmup": 2, "memory": "1GB"},
            time="4 min",
        ),
        "full": Scale("the sheet's protocol", seeds=1, time="minutes on GPUs; a day on two cores"),
    },
    report=report,
)
