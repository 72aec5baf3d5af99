"""torch.utils, as far as the engine goes: data sets and loaders."""

from underhood.utils import data as data

__all__ = ["data"]
