"""Measurements that nobody made: a machine of four processors whose every time follows from a few round numbers.

a step of B images on one worker         B milliseconds, of which a tenth makes the batch
gradients                                8 MB in two buckets
k workers                                as long, and 10·(k − 1) milliseconds of communication, half of it hidden
the link                                 1 GB/s, 0.1 ms
"""

from underhood.instruments.scaling import Scaling
from underhood.instruments.scaling.result import AllReduce, Cell, Grown, Link, Own, Times, Workers

SIZE = 8_000_000


def times(seconds, apart=0.02):
    return Times(seconds, (1 - apart / 2) * seconds, (1 + apart / 2) * seconds, 5)


def cell(devices, batch, slower=1.0, apart=0.02):
    alone = batch / 1000 * slower
    waits = 0.010 * (devices - 1) / 2
    ways = {"synchronised": times(alone + waits, apart), "apart": times(alone, apart)}
    ways |= {"plain": times(alone, apart)} if devices == 1 else {}
    parts = {name: {"load": 0.1 * alone, "move": 0.0, "compute": 0.8 * alone, "update": 0.1 * alone} for name in ways}
    own = Own(0.25 * alone, 0.5 * alone, 2 * waits, waits) if devices > 1 else None
    return Cell(devices, batch, SIZE, 25, ways, parts, own, (1_000_000, 7_000_000))


def found(devices=(1, 2, 4), batches=(32, 128), cores=4, growth=(), slower=1.0, apart=0.02):
    workers = []
    for count in devices:
        pieces = {batch // k for batch in batches for k in (devices if count == 1 else (count,))}
        link = Link(1e-4, 1e9, 1e9) if count > 1 else None
        sums = (AllReduce(SIZE, times(2e-4 * (count - 1) + 2 * (count - 1) / count * SIZE / 1e9)),) if link else ()
        cells = tuple(cell(count, batch, slower if count > 1 else 1.0, apart) for batch in sorted({*batches, *pieces}))
        workers.append(Workers(count, cells, link, sums))
    return Scaling(
        "a-network", batches, devices, "cpu", cores, 1, 50_000, None, "sgd,lr=0.1", 0, (), tuple(workers),
        2_000_000_000 if growth else None, growth,
    )  # fmt: skip


GROWTH = (
    Grown(32, 400_000_000, True),
    Grown(128, 1_600_000_000, True, 1_500_000_000),
    Grown(512, 6_400_000_000, False, None, "not enough memory"),
)
