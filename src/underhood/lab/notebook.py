"""What a process learnt that the next one would have to learn again: a JSON file a subject, in the cache.

Nothing depends on it but time: a damaged notebook is an empty one, and where none can be written it goes without.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from underhood.data.locations import cache_root
from underhood.lab.files import replace


def _path(subject: str) -> Path:
    return cache_root() / f"{subject}.json"


def recall(subject: str, most: int) -> dict[str, Any]:
    """What is remembered of a subject; nothing once there are `most` entries: it begins anew."""
    try:
        kept = json.loads(_path(subject).read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) and len(kept) < most else {}


def remember(subject: str, known: dict[str, Any]) -> None:
    """Write down what is known of a subject."""
    with contextlib.suppress(OSError):
        path = _path(subject)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, json.dumps(known).encode())
