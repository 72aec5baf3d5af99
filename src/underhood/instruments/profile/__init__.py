"""The instrument `profile`: the time of every layer, forward and backward, alone on the input it has in the network.

measure.py       the function `profile`: choose, run, measure the roofline
on_torch.py      a run on torch        torch_calls.py     its layers' calls, recorded to be repeated
on_engine.py     a run on the engine   engine_calls.py    the same
roofline.py      what this machine could reach
result.py        what was measured     tables.py          how it looks
"""

from underhood.instruments.profile.measure import Profile, profile
from underhood.instruments.profile.result import Conditions, LayerTime, Run

__all__ = ["Conditions", "LayerTime", "Profile", "Run", "profile"]
