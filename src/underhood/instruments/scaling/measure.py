"""What more workers bring a network's training: measured on this machine or on several hosts, and predicted past them.

    >>> from underhood.instruments.scaling import scaling
    >>> found = scaling("simple-nn", batch=[32, 128], devices=[1, 2])       # doctest: +SKIP
    >>> found.weak(2, 128).speedup                                          # doctest: +SKIP
    1.71

Batches are those of a worker, as on the sheet; strong scaling is measured beside it, with the same batches shared.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from underhood.cores import usable_cores
from underhood.instruments.page import Presented, page
from underhood.instruments.scaling import tables, words
from underhood.instruments.scaling.model import Model
from underhood.instruments.scaling.question import Question
from underhood.instruments.scaling.result import Grown, Link, ScalingResult, Workers
from underhood.tables import Table

if TYPE_CHECKING:
    from underhood.figures import Figure

SCHEMA = "underhood.scaling/1"


class Scaling(ScalingResult, Presented):
    """What was found, and how it looks."""

    def tables(self) -> list[Table]:
        return tables.all_tables(self, self.model())

    def model(self, link: Link | None = None) -> Model | None:
        """What predicts more workers: from this machine's link, or another one."""
        return Model.of(self, link)

    def figure(self) -> "Figure | None":
        """Speed-up measured and predicted."""
        return tables.speedup_figure(self, self.model())

    def words(self) -> list[str]:
        return words.reading(self)

    def to_csv(self) -> str:
        return tables.long_table(self).to_csv()

    def to_html(self) -> str:
        figure = self.figure()
        return page(f"How the training of {self.name} scales", [*self.tables(), *([figure] if figure else [])])

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **self.stored(), "tables": [table.to_json() for table in self.tables()]}


def scaling(network: str, input: Any = None, **options: Any) -> Scaling:  # noqa: A002 (what every user calls it)
    """Time training steps of a network, given as a text, on several numbers of workers: Question has the options."""
    *_, found = measuring(Question(network, input, **options))
    return found


def measuring(asked: Question, known: Sequence[Workers] = ()) -> Iterator[Scaling]:
    """What is found after each number of workers, and at last with the batch grown; `known` is not measured again."""
    workers: list[Workers] = []
    for count in asked.counts:
        there = next((each for each in known if each.devices == count), None)
        workers.append(there or asked.workers(count))
        yield _result(asked, workers)
    if asked.fit is not None:
        yield _result(asked, workers, asked.growth())


def _result(asked: Question, workers: Sequence[Workers], growth: tuple[Grown, ...] = ()) -> Scaling:
    return Scaling(
        name=asked.name,
        batches=asked.batches,
        devices=asked.counts,
        device=asked.device,
        cores=usable_cores(),
        threads=asked.threads,
        images=asked.images,
        data=asked.data,
        optimizer=asked.optimizer,
        epochs=asked.epochs,
        hosts=tuple(name for name, _ in asked.reached.names) if asked.reached else (),
        workers=tuple(workers),
        ceiling=asked.ceiling,
        growth=growth,
        gpus=asked.gpus,
    )
