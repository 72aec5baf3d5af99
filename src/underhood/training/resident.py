"""Small data sets kept on the GPU as bytes: batches are indexed, augmented and scaled there, and no image travels.

CIFAR-10 is 184 MB; a batch of it, as floats, would cross to the GPU in longer than a small network takes to learn
from it.
"""

from dataclasses import replace

from underhood.training.backends import backend_of
from underhood.training.backends.settings import BackendSettings
from underhood.training.pipeline import Part, Parts

MOST = 2**31  # bytes of a part


def resident(parts: Parts, settings: BackendSettings) -> Parts:
    """The parts on the settings' device, those of at most MOST bytes; on a processor they are where they are."""
    if settings.device == "cpu":
        return parts
    put = backend_of(settings).exactly

    def kept(part: Part) -> Part:
        each = part.images.images[:1].nbytes
        return part.on(put) if 0 < len(part) * each <= MOST else part

    return replace(parts, train=kept(parts.train), validation=kept(parts.validation), test=kept(parts.test))
