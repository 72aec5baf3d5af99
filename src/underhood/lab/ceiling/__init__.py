"""A memory ceiling that holds: a trial's process is kept under so many bytes, and ends with a message at them.

    ceiling = Ceiling(10**9)
    with held(ceiling):
        …                               # an allocation beyond it is refused
    ceiling.by                          # "a memory cgroup (v2), swap off; a data-segment limit; a watchdog …"
    ceiling.peak                        # the largest resident set

Three things hold together, whatever computes, the engine's plans and PyTorch alike:

    data segment   data_segment.py   memory that is asked for beyond the limit is refused, so that the trial fails with
                                     an error of its own and not by a signal. An address-space limit would not do:
                                     libraries map far more than they touch, and fail before there is a network
    watchdog       watchdog.py       looks a hundred times a second what is resident, libraries in it, and swapped
    cgroup         cgroups.py        where the user may make one: the kernel keeps the limit too, and swap is off

Images stay mapped from disk and are read row by row (data/rows.py): they count for nothing here.
"""

from underhood.lab.ceiling.ceiling import Ceiling, MemoryLimitReached, held, killed_for_memory

__all__ = ["Ceiling", "MemoryLimitReached", "held", "killed_for_memory"]
