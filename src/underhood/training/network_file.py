"""A trained network as one file: its weights as safetensors, and in the header all that it takes to use them.

    model.safetensors
        tensors    the state_dict, with PyTorch's names
        metadata   {"underhood": JSON of
                     format           "underhood.network/1"
                     network          {"name", "arguments"}: an entry of `networks`, inputs and classes put in, or one
                                      of the user's own (own_network.py), whose file and hash the settings have
                     classes          their names, in the order of the logits
                     preprocessing    shape, white, mean, std, dtype (preprocessing.py)
                     settings, seed   of the training: back end, precision and test_flips among them
                     data             {"name", "fingerprint"} of what it learnt from
                     digest}          of all of the above and the tensors

Any reader of safetensors has the weights; `safetensors.torch.load_file` gives PyTorch's state_dict.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from underhood.digest import digest
from underhood.errors import BadInput
from underhood.training.pipeline import Parts
from underhood.training.preprocessing import Preprocessing
from underhood.training.settings import TrainingSettings

FORMAT = "underhood.network/1"
KEY = "underhood"  # of the header; one alone, for safetensors writes several in any order

Array = np.ndarray


@dataclass(frozen=True)
class NetworkFile:
    """What the file holds. `network` names an entry of `networks`, `arguments` are all that it was built with."""

    weights: dict[str, Array]
    network: str
    arguments: dict[str, Any]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    settings: dict[str, Any]
    seed: int
    data: dict[str, str]

    def write(self, path: Path) -> None:
        from safetensors.numpy import save as to_bytes

        tensors = {name: np.asarray(values, order="C") for name, values in self.weights.items()}
        header = {
            "format": FORMAT,
            "network": {"name": self.network, "arguments": self.arguments},
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.to_json(),
            "settings": self.settings,
            "seed": self.seed,
            "data": self.data,
        }
        header = json.loads(json.dumps(header))  # tuples become lists now, so that the digest is of what is read back
        metadata = {KEY: json.dumps(header | {"digest": digest(header, tensors)})}
        path.write_bytes(to_bytes(tensors, metadata))  # save_file would let nobody else read it

    @classmethod
    def read(cls, path: Path) -> "NetworkFile":
        """Raises BadInput when the file is none of these, or damaged."""
        from safetensors import SafetensorError, safe_open

        if not path.is_file():
            raise BadInput(f"{path}: there is no such file")
        try:
            with safe_open(path, framework="numpy") as file:
                header = json.loads((file.metadata() or {}).get(KEY, "{}"))
                _check_format(header.get("format"), path)
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            if header.pop("digest") != digest(header, weights):
                raise ValueError("its content is not what was written")
            return cls(
                weights,
                header["network"]["name"],
                header["network"]["arguments"],
                tuple(header["classes"]),
                Preprocessing.from_json(header["preprocessing"]),
                header["settings"],
                header["seed"],
                header["data"],
            )
        except BadInput:
            raise
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{path}: not a network's file, or a damaged one ({error})") from error


def file_of(
    settings: TrainingSettings,
    seed: int,
    parts: Parts,
    weights: dict[str, Array],
    network: str,
    arguments: dict[str, Any],
) -> NetworkFile:
    """The file of the entry `network`, built with `arguments` and trained by `settings` on `parts`."""
    data = {"name": settings.data.name, "fingerprint": parts.fingerprint}
    kept = settings.model_dump(mode="json")
    return NetworkFile(weights, network, arguments, parts.classes, parts.preprocessing, kept, seed, data)


def _check_format(found: Any, path: Path) -> None:
    if found is None:
        raise BadInput(
            f"{path}: holds weights alone, not the network's name, preprocessing and classes; an older underhood wrote "
            "it (`underhood run … --rerun` trains again and keeps all), or another program"
        )
    match = re.fullmatch(r"underhood\.network/(\d+)", str(found))
    if match is None or int(match[1]) > int(FORMAT.rpartition("/")[2]):
        raise BadInput(f'{path}: has the format "{found}", this underhood reads up to "{FORMAT}"')
