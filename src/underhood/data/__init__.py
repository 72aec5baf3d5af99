"""Data: official formats read as they were published, checked, converted once and mapped from then on.

One page a set or form; `load` finds them by name. Every reader says which file is wrong, and where.
"""

from underhood.data.catalogue import catalogue
from underhood.data.get import get
from underhood.data.load import DATA_SETS, fingerprint, load
from underhood.data.locations import cache_root, data_root
from underhood.data.registry import Arrays, DataSet, Images
from underhood.data.split import split
from underhood.data.streams import stream
from underhood.data.verify import sound, verify

__all__ = [
    "DATA_SETS",
    "Arrays",
    "DataSet",
    "Images",
    "cache_root",
    "catalogue",
    "data_root",
    "fingerprint",
    "get",
    "load",
    "sound",
    "split",
    "stream",
    "verify",
]
