"""A trained network in hand: its weights on a back end, and the preprocessing and class names that go with them.

    net = underhood.open_run("quickstart-quick").load("adam", seed=0)
    net.predict("photo.png").classes
    net.evaluate().accuracy

It answers as the trial's last evaluation did: in evaluation mode, with the averaged or best weights where these were
tested, over the mirror image too where `test_flips` asked for it, from pixels normalised by the same constants.
"""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from underhood.errors import BadInput, MissingPiece, nearest
from underhood.networks import NETWORKS
from underhood.trained import images
from underhood.trained.evaluation import Evaluation, questions
from underhood.trained.predictions import Predictions
from underhood.training.answers import Tally, log_softmax
from underhood.training.backends import Backend, backend_of
from underhood.training.backends.settings import ENGINE_HAS, BackendSettings
from underhood.training.inference import answer, evaluate, examine
from underhood.training.network_file import NetworkFile
from underhood.training.own_network import COPY, DIGEST, built, changed, maker_of
from underhood.training.pipeline import EVALUATION_BATCH
from underhood.training.preprocessing import Preprocessing

Array = np.ndarray
BackendName = Literal["underhood", "torch"]


class Trained:
    """`network` is a module of `underhood.nn` or `torch.nn`, in evaluation mode; `classes` are the logits' names."""

    def __init__(self, file: NetworkFile, backend: BackendName | None = None, source: str = "") -> None:
        self.file, self.source = file, source
        chosen, self.notes = _chosen(file.settings, backend)
        self.notes += filter(None, [changed(file.settings["network"])])
        self.back: Backend = backend_of(chosen)
        self.network = _with_weights(file, self.back, source)
        self.at_once = int(file.settings.get("evaluation_batch", EVALUATION_BATCH))  # as its trial did: to the last bit
        self.answered = self.back.step(partial(answer, self.network, self.back, file.settings["test_flips"]))

    @property
    def classes(self) -> tuple[str, ...]:
        return self.file.classes

    @property
    def preprocessing(self) -> Preprocessing:
        return self.file.preprocessing

    @property
    def settings(self) -> dict[str, Any]:
        """All settings of its training, nested."""
        return self.file.settings

    @property
    def seed(self) -> int:
        return self.file.seed

    @property
    def backend(self) -> str:
        return self.back.name

    def __repr__(self) -> str:
        return f"<{self}, {len(self.classes)} classes, on {self.backend}>"

    def __str__(self) -> str:
        data = Path(self.file.data["name"]).name
        return f"{self.settings['network']['name']} trained on {data}, seed {self.seed}"

    def predict(self, given: Any) -> Predictions:
        """The classes of images: paths of pictures or `.npy` files, a folder, an array or several.

        Pictures are cropped to the centre and resized to what the network takes; arrays are (H, W, C), (C, H, W) or
        several of them, uint8 as in the data set or floats from 0 to 1. Raises BadInput, before anything is predicted,
        that names every image which can't be read or doesn't fit.
        """
        read = images.read(given, self.preprocessing)
        found = [self.logits(read[i : i + self.at_once]) for i in range(0, len(read), self.at_once)]
        logits = np.concatenate(found)
        names = tuple(each.name for each in read)
        said = np.exp(log_softmax(logits))
        return Predictions(names, logits.argmax(1), said, self.classes, tuple(images.notes(read)))

    def logits(self, some: list[images.Input]) -> Array:
        """(B, C), of as many images as are computed at once."""
        constants = {each.white: self.preprocessing.constants(each.white) for each in some}
        normalised = [
            each.pixels.astype(scale.dtype) * scale - shift for each in some for scale, shift in [constants[each.white]]
        ]
        with self.back.no_grad():
            return self.back.array(self.answered(self.back.tensor(np.stack(normalised))))

    def examine(self, x: Any, t: Array) -> tuple[float, int, Array]:
        """Loss, errors and logits of images x (B, C, H, W), normalised, whose classes are t (B,)."""
        with self.back.no_grad():
            return examine(self.back, self.answered(self.back.tensor(x)), t)

    def evaluate(
        self,
        data: str | None = None,
        split: Literal["test", "train", "validation"] = "test",
        *,
        root: Path | str | None = None,
    ) -> Evaluation:
        """How much of a data set it reads right: of its own, those images that the trial had, by default.

        Another set by its name or path has to have images of the same shape, and as many classes; below `root`, or
        UNDERHOOD_DATA. Raises BadInput when it doesn't.
        """
        asked = questions(self.file, data, split, root)
        tally = Tally()
        loss, _ = evaluate(self, asked.part, tally, self.at_once)
        answers = tally.answers(asked.part, self.classes, asked.white)
        return Evaluation(asked.data, split, loss, answers, asked.notes)


def load(path: str | Path, backend: BackendName | None = None) -> Trained:
    """The network in a file that a trial left, `artefacts/model.safetensors`; it needs nothing beside it.

    But for a network of the user's own: its Python file is taken from where it was, or as it was from the folder
    `network` beside the weights.
    """
    return Trained(NetworkFile.read(Path(path)), backend, str(path))


def _chosen(settings: dict[str, Any], backend: BackendName | None) -> tuple[BackendSettings, list[str]]:
    """What it is computed with here: as it was trained, as far as this back end and this machine have it."""
    given = {name: settings[name] for name in BackendSettings.model_fields if name in settings}
    if backend not in (None, "underhood", "torch"):
        raise BadInput(f'backend: unknown "{backend}"; {nearest(str(backend), ["underhood", "torch"])}')
    notes = []
    given |= {"backend": backend or given["backend"], "compile": False, "fused": False, "form": "plan", "devices": 1}
    given |= {"in_place_activations": False, "activation_checkpointing": False}  # they are for training
    if given["device"] == "cuda" and not _has_cuda():
        given["device"] = "cpu"
        notes.append("it was trained on a GPU, and is computed on the processor here")
    if given["backend"] == "underhood":
        for key, (there_is, _) in ENGINE_HAS.items():
            if given.get(key, there_is[0]) not in there_is:
                if key == "precision":
                    notes.append(f"it was trained in {given[key]}, and is computed in {there_is[0]} here")
                given[key] = there_is[0]
    return BackendSettings.model_validate(given), notes


def _has_cuda() -> bool:
    try:
        import torch
    except ModuleNotFoundError:
        return False
    return torch.cuda.is_available()


def _with_weights(file: NetworkFile, back: Backend, source: str) -> Any:
    """The network as the back end builds it, with the file's weights."""
    network = file.settings["network"] | {"name": file.network}
    if DIGEST not in network and file.network not in NETWORKS:
        known = nearest(file.network, list(NETWORKS))
        raise BadInput(f'{source}: its network "{file.network}" is none of those here; {known}')
    made = maker_of(network, Path(source).parent / COPY)
    if not made.pages and back.name != "torch":
        raise BadInput(f"{source}: {made.name} takes no `nn`, so PyTorch alone computes it; ask with backend torch")
    try:
        own = DIGEST in network
        net = built(made, file.arguments, back, file.preprocessing.shape) if own else made(back.nn, **file.arguments)
        net = back.prepare(net)
        net.load_state_dict({name: back.exactly(values) for name, values in file.weights.items()})
    except MissingPiece:
        raise
    except Exception as error:  # whatever a page does with arguments of another version, or on another back end
        reason = str(error).strip().split("\n")[0]
        raise BadInput(f"{source}: {file.network} cannot be built from it on {back.name}: {reason}") from error
    return net.eval()
