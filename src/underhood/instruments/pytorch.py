"""PyTorch, loaded when it is first needed, and asked for politely when it is absent."""

import gc
import sys
from typing import Any

from underhood.errors import missing_extra


def load_torch(what: str = "this") -> Any:
    """The module `torch`; where there is none, the error says that `what` needs it.

    Its import makes a million objects that live as long as the process; the garbage collector, which would
    look through them again and again, rests meanwhile (a fifth of the two seconds).
    """
    if loaded := sys.modules.get("torch"):
        return loaded
    resting = gc.isenabled()
    gc.disable()
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise missing_extra("torch", what) from None
    finally:
        if resting:
            gc.enable()
    gc.freeze()
    return torch
