"""What communication takes, and what several workers bring, as formulas.

Each of k workers holds S bytes of gradients and has to end with the sum of all. In a ring each one sends a k-th of them
to the next and adds what it gets from the last, k − 1 times; then the sums go round, k − 1 times again:

    t(k) = 2(k − 1)·α + 2(k − 1)/k · S/B         α: seconds until a message arrives   B: bytes a second, one way

No all-reduce can do with fewer bytes a link than 2(k − 1)/k · S, so that what is seen of a link while one runs is

    bus bandwidth = S/t · 2(k − 1)/k             utilisation = bus bandwidth / B

    strong scaling   the batch of all workers stays, each has a k-th     speed-up = t₁/t_k       E = t₁/(k·t_k)
    weak scaling     the batch of each worker stays                      speed-up = k·t₁/t_k     E = t₁/t_k

with t the time of a step. In weak scaling an epoch has k times fewer steps: by its time, which is what a table of
epochs shows, the speed-up is T₁/T_k and E = T₁/(k·T_k), the same numbers.

Sources: Patarasuk & Yuan 2009 (the ring, and that nothing does with fewer bytes); Thakur, Rabenseifner & Gropp 2005 (α
and β); NVIDIA, "Performance reported by NCCL tests" (bus bandwidth).
"""


def ring_bytes(size: float, workers: int) -> float:
    """Bytes that each worker sends, and receives, in an all-reduce of `size` bytes."""
    return 2 * (workers - 1) / workers * size


def ring_seconds(size: float, workers: int, bandwidth: float, latency: float = 0.0) -> float:
    """Seconds of an all-reduce of `size` bytes over links of `bandwidth` bytes a second."""
    return 2 * (workers - 1) * latency + ring_bytes(size, workers) / bandwidth


def bus_bandwidth(size: float, workers: int, seconds: float) -> float:
    """Bytes a second over each link in an all-reduce of `size` bytes that took `seconds`, whatever its algorithm."""
    return ring_bytes(size, workers) / seconds


def weak_speedup(one: float, several: float, workers: int) -> float:
    """Images a second with k workers, in those of one; both times are seconds of a step, at equal batch each."""
    return workers * one / several


def strong_speedup(one: float, several: float) -> float:
    """The same where all workers share the batch that one had."""
    return one / several


def efficiency(speedup: float, workers: int) -> float:
    return speedup / workers
