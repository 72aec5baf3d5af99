"""One of the workers of `scaling`, started by torchrun: `python -m underhood.instruments.scaling.worker TASK`.

TASK is JSON in base64. For every batch asked for it takes steps in three ways, in turns, so that a slow minute of the
machine slows all of them alike:

    synchronised   DDP as it is: gradients are all-reduced in buckets while backward goes on
    apart          DDP.no_sync: the same step without communication
    plain          without DDP, where the worker is alone

A round of steps begins and ends at a barrier, so that its time is the slowest worker's. Worker 0 prints what was found.
"""

import base64
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from statistics import median
from time import perf_counter
from typing import Any

import underhood.torchrun as torchrun
from underhood.instruments.pytorch import load_torch
from underhood.instruments.scaling.launch import MARK
from underhood.instruments.scaling.link import Link, spread
from underhood.instruments.scaling.work import Work

SIZES = (1 << 16, 1 << 20, 1 << 22, 1 << 24)  # bytes of the all-reduces beside the gradients' own
DDP_TIMES = ("forward_compute", "backward_compute", "backward_comm", "backward_compute_comm_overlap")


def main() -> None:
    task = json.loads(base64.b64decode(sys.argv[1]))
    torchrun.end_with_parent()
    torch = load_torch("scaling")
    torch.set_num_threads(task["threads"])
    cuda = task["device"] == "cuda"
    torchrun.meet("nccl" if cuda else "gloo", torchrun.take_gpu() if cuda else None)
    task["device"] = f"cuda:{torch.cuda.current_device()}" if cuda else "cpu"
    found = _Worker(task).found()
    if torch.distributed.get_rank() == 0:
        print(MARK + json.dumps(found), flush=True)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


class _Worker:
    """The process's part of the measurements."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.torch = load_torch("scaling")
        self.task, self.distributed = task, self.torch.distributed
        self.rank, self.workers = self.distributed.get_rank(), self.distributed.get_world_size()

    def found(self) -> dict[str, Any]:
        cells = [self._cell(batch) for batch in self.task["batches"]]
        found: dict[str, Any] = {"devices": self.workers, "cells": cells, "link": None, "all_reduce": []}
        if self.workers > 1:
            link = Link(self.task["device"], self.task["rounds"])
            sizes = sorted({*SIZES, *(cell["gradient_bytes"] for cell in cells)})
            found |= {"link": link.measured(), "all_reduce": [link.all_reduce(size) for size in sizes]}
        return found

    def _cell(self, batch: int) -> dict[str, Any]:
        """One batch a worker: what its steps take each way."""
        work = Work(self.task | {"batch": batch}, self.rank, self.workers)
        ways, ddp = self._ways(work)
        for step in ways.values():
            for _ in range(self.task["warmup"]):
                step()
        totals: dict[str, list[float]] = {name: [] for name in ways}
        parts: dict[str, list[list[float]]] = {name: [] for name in ways}
        of_ddp: list[list[float]] = []
        for _ in range(self.task["rounds"]):
            for name, step in ways.items():
                self.distributed.barrier()
                began = perf_counter()
                for _ in range(self.task["steps"]):
                    parts[name].append(step())
                    if name == "synchronised" and ddp is not None:
                        of_ddp.append(_own_times(ddp))
                self.distributed.barrier()
                totals[name].append((perf_counter() - began) / self.task["steps"])
        return {
            "batch": batch,
            "gradient_bytes": work.gradient_bytes,
            "steps": self.task["steps"] * self.task["rounds"],
            "ways": {name: spread(times) for name, times in totals.items()},
            "parts": {name: self._mean_of_workers(_medians(each)) for name, each in parts.items()},
            "ddp": self._mean_of_workers(_medians(of_ddp)) if of_ddp else None,
            "buckets": _buckets(ddp),
        }

    def _ways(self, work: Work) -> tuple[dict[str, Callable[[], list[float]]], Any]:
        ways: dict[str, Callable[[], list[float]]] = {}
        if self.task["data_parallel"]:
            net = self.torch.nn.DataParallel(work.net, list(range(self.task["data_parallel"])))
            return {"data-parallel": lambda: work.step(net)}, None
        if self.workers == 1:
            ways["plain"] = lambda: work.step(work.net)
        ids = [work.device] if work.device.type == "cuda" else None
        ddp = self.torch.nn.parallel.DistributedDataParallel(work.net, device_ids=ids)
        ddp._set_ddp_runtime_logging_sample_rate(1)

        def apart() -> AbstractContextManager[Any]:
            return ddp.no_sync()

        return ways | {
            "synchronised": lambda: work.step(ddp, nullcontext),
            "apart": lambda: work.step(ddp, apart),
        }, ddp

    def _mean_of_workers(self, values: list[float]) -> list[float]:
        mean = self.torch.tensor(values, dtype=self.torch.float64, device=self.task["device"])
        self.distributed.all_reduce(mean)
        return [float(value) for value in mean / self.workers]


def _medians(rows: list[list[float]]) -> list[float]:
    return [median(column) for column in zip(*rows, strict=True)]


def _own_times(ddp: Any) -> list[float]:
    """DDP's own timings of the last step, DDP_TIMES in seconds."""
    said = ddp._get_ddp_logging_data()
    return [1e-9 * float(said.get(f"{name}_time", 0)) for name in DDP_TIMES]


def _buckets(ddp: Any) -> list[int]:
    """The bytes of DDP's buckets, as they are after the first step."""
    if ddp is None:
        return []
    said = ddp._get_ddp_logging_data()
    sizes = str(said.get("rebuilt_bucket_sizes") or said.get("bucket_sizes", ""))
    return [int(size) for size in sizes.split(",") if size.strip()]


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # gloo's threads abort an interpreter that ends before the last reference to their group
