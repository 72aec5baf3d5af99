"""The instrument `scaling`: what more workers bring a training, and what their communication takes.

formulas.py      the ring all-reduce, bandwidth, speed-up, efficiency
question.py      what is asked
measure.py       the function `scaling`
launch.py        workers on this machine or on several hosts, started by torchrun
worker.py        one of them: steps with and without communication
work.py          what it computes: network, batches, optimiser
link.py          latency, bandwidth and all-reduce between them
growth.py        the batch grown until memory ends
model.py         speed-up predicted for more workers than there are
result.py        what was found     tables.py   how it looks     words.py   what it says
"""

from underhood.instruments.scaling.measure import Scaling, measuring, scaling
from underhood.instruments.scaling.question import Question

__all__ = ["Question", "Scaling", "measuring", "scaling"]
