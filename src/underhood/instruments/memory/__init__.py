"""The instrument `memory`: what training a network takes at the peak of a step, predicted and measured.

predict.py       the function `memory`
step.py          a step on the meta device, where tensors have shapes and no numbers
ledger.py        what is alive at each operation of it, by kind
workspace.py     what CPU kernels take for themselves      heap.py           what the C library's heap makes of it
measures.py      what saves memory, and what fits a ceiling
peak.py          the measured peak                         child.py          the process that it is measured in
result.py        what was found                            tables.py         how it looks
optimizers.py    optimisers in words
"""

from underhood.instruments.memory.predict import Memory, memory
from underhood.instruments.memory.result import LayerMemory, Step

__all__ = ["LayerMemory", "Memory", "Step", "memory"]
