"""torch.cuda.amp: mixed precision on a GPU, which is off where there is none."""

from typing import Any

from underhood.amp import GradScaler as GradScaler
from underhood.amp import autocast as _autocast


def autocast(enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> _autocast:
    """`amp.autocast("cuda")`."""
    return _autocast("cuda", dtype, enabled)
