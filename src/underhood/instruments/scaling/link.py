"""What lies between the workers: how long a message takes to arrive, how many bytes pass a second, an all-reduce.

    latency    half of what a message of 8 bytes takes there and back, worker 0 to worker 1: the lower quartile, for
               what waits for a processor tells nothing of the link
    one way    bytes a second from worker 0 to worker 1, nothing coming back
    ring       bytes a second from each worker to the next, all at once and in messages of MESSAGE bytes: what a ring
               all-reduce does, whose pieces gloo passes on in messages of at most 1 MiB, two or more to a piece

Receiving is asked for before sending: gloo, asked the other way round, fills a link in one direction after the other.

The size of what is sent is chosen so that it takes about SECONDS. Every measurement begins behind a barrier, and is
repeated; the slowest worker's time counts, the median of the repeats is given.
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from underhood.instruments.pytorch import load_torch
from underhood.instruments.stopwatch import quartiles

SECONDS = 0.25
LEAST, MOST = 1 << 18, 1 << 26  # bytes that are sent to find out the bandwidth
PINGS = 100
MESSAGE = 1 << 19


def spread(times: Sequence[float]) -> list[float]:
    """Median, quartiles and how many."""
    low, middle, high = quartiles(times)
    return [middle, low, high, len(times)]


class Link:
    """The links of this worker's group. Tensors are on `device`."""

    def __init__(self, device: str, repeats: int) -> None:
        torch = load_torch("scaling")
        self.torch, self.distributed = torch, torch.distributed
        self.device, self.repeats = torch.device(device), repeats
        self.rank, self.workers = self.distributed.get_rank(), self.distributed.get_world_size()

    def measured(self) -> dict[str, Any]:
        """Seconds of latency, and bytes a second."""
        latency = self._ping_pong() / 2
        one_way = self._bandwidth(self._send)
        return {"latency": latency, "one_way": one_way, "ring": self._bandwidth(self._pass_on)}

    def all_reduce(self, size: int) -> dict[str, Any]:
        """An all-reduce of `size` bytes of float32: median and quartiles of seconds."""
        buffer = self._bytes(size)

        def work() -> None:
            self.distributed.all_reduce(buffer)

        work()
        calls = max(1, min(50, int(SECONDS / self.repeats / max(self._timed(work, 1), 1e-6))))
        times = [self._once(work, calls) / calls for _ in range(max(5, self.repeats))]
        return {"bytes": buffer.numel() * 4, "seconds": spread(times)}

    def _bytes(self, size: int) -> Any:
        return self.torch.zeros(max(1, size // 4), device=self.device)

    def _once(self, work: Callable[[], Any], calls: int = 1) -> float:
        """Seconds from a barrier until the slowest worker has done its calls."""
        self.distributed.barrier()
        began = perf_counter()
        for _ in range(calls):
            work()
        self._settle()
        took = self.torch.tensor([perf_counter() - began], dtype=self.torch.float64, device=self.device)
        self.distributed.all_reduce(took, op=self.distributed.ReduceOp.MAX)
        return float(took.item())

    def _timed(self, work: Callable[[], Any], repeats: int | None = None) -> float:
        return quartiles([self._once(work) for _ in range(repeats or self.repeats)])[1]

    def _settle(self) -> None:
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def _ping_pong(self) -> float:
        """Seconds there and back by worker 0's clock, the lower quartile of single balls."""
        ball = self._bytes(8)
        times = []
        self.distributed.barrier()
        for _ in range(PINGS):
            began = perf_counter()
            if self.rank == 0:
                self.distributed.send(ball, 1)
                self.distributed.recv(ball, 1)
            elif self.rank == 1:
                self.distributed.recv(ball, 0)
                self.distributed.send(ball, 0)
            self._settle()
            times.append(perf_counter() - began)
        return quartiles(times)[0]

    def _bandwidth(self, way: Callable[[Any, Any], None]) -> float:
        """Bytes a second of a way to send one buffer and receive into another."""
        size = LEAST
        while True:
            out, into = self._bytes(size), self._bytes(size)
            seconds = self._timed(lambda out=out, into=into: way(out, into), 2)  # type: ignore[misc]
            if seconds >= SECONDS / 2 or size >= MOST:
                break
            size = min(MOST, max(2 * size, int(size * SECONDS / seconds)))
        return size / self._timed(lambda: way(out, into))

    def _send(self, out: Any, into: Any) -> None:
        if self.rank == 0:
            self.distributed.send(out, 1)
        elif self.rank == 1:
            self.distributed.recv(into, 0)

    def _pass_on(self, out: Any, into: Any) -> None:
        after, before = (self.rank + 1) % self.workers, (self.rank - 1) % self.workers
        pieces = list(enumerate(zip(out.split(MESSAGE // 4), into.split(MESSAGE // 4), strict=True)))
        requests = [self.distributed.irecv(piece, before, tag=tag) for tag, (_, piece) in pieces]
        requests += [self.distributed.isend(piece, after, tag=tag) for tag, (piece, _) in pieces]
        for request in requests:
            request.wait()
