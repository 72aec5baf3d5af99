"""Augmentation of whole batches: one page each, drawn in NumPy by image, applied by indexing on either back end.

    data.augmentation = ["flip", {name = "crop", padding = 4, mode = "reflect"}, {name = "cutout", size = 16}]

A page is its settings, what it draws for every image of an epoch, and what that does to a view (view.py); a chain
(chain.py) composes them. A new page is a file and its name in the list below.
"""

from underhood.data.augmentation.base import Augmentation
from underhood.data.augmentation.chain import Chain, DrawnChain
from underhood.data.augmentation.crop import Crop
from underhood.data.augmentation.cutout import Cutout
from underhood.data.augmentation.erase import Erase
from underhood.data.augmentation.flip import Flip
from underhood.data.augmentation.normalise import Normalise
from underhood.data.augmentation.translate import Translate
from underhood.data.augmentation.view import View, pixels_of

AUGMENTATIONS: dict[str, type[Augmentation]] = {
    page.name: page for page in (Crop, Flip, Cutout, Erase, Translate, Normalise)
}

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "Chain",
    "Crop",
    "Cutout",
    "DrawnChain",
    "Erase",
    "Flip",
    "Normalise",
    "Translate",
    "View",
    "pixels_of",
]
