"""The settings of a training trial: everything that may change its numbers.

    optimizer = {name = "adam", lr = 0.001}
    network = {name = "mlp", hidden = [512, 256]}
    data.augmentation = ["flip", {name = "crop", padding = 4, mode = "reflect"}]

`network`, `optimizer` and each `augmentation` take, beside their own fields, the arguments of the page that they
name; what is left out keeps the page's default.
"""

import inspect
from collections.abc import Callable
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from underhood.errors import nearest
from underhood.settings import SettingError, Settings
from underhood.training.backends.settings import BackendSettings


class Page(Settings):
    """Settings that name a page and hold arguments for it."""

    model_config = ConfigDict(extra="allow")

    name: str

    @classmethod
    def pages(cls) -> dict[str, Callable[..., Any]]:
        """The functions that can be named; the first argument of each is not a setting."""
        raise NotImplementedError

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments given for the page."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _known(self) -> Self:
        pages = self.pages()
        if self.name not in pages:
            raise SettingError("name", f'unknown "{self.name}"; {nearest(self.name, list(pages))}')
        parameters = inspect.signature(pages[self.name]).parameters.values()
        known = [p for p in parameters if p.kind is not p.VAR_KEYWORD][1:]
        names = [p.name for p in known if p.name not in type(self).model_fields]
        for given in list(self.arguments):
            if given not in names:
                there_is = nearest(given, names) if names else "it takes none"
                raise SettingError(given, f'{self.name} has no "{given}"; {there_is}')
        extra = self.model_extra or {}
        for p in known:  # an argument that repeats the default names the same trial
            if p.name in extra and _plain(p.default) == _plain(extra[p.name]):
                del extra[p.name]
        return self


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class NetworkSettings(Page):
    """Which page of `networks`, and its arguments."""

    name: str = "mlp"

    @classmethod
    def pages(cls) -> dict[str, Callable[..., Any]]:
        from underhood.networks import NETWORKS

        return {name: row.build for name, row in NETWORKS.items()}


class OptimizerSettings(Page):
    """Which page of `optim`, its learning rate and its other arguments."""

    name: str = "sgd"
    lr: float = Field(default=0.01, ge=0)

    @classmethod
    def pages(cls) -> dict[str, Callable[..., Any]]:
        from underhood.engine.optim import OPTIMIZERS

        return {name: row.optimizer for name, row in OPTIMIZERS.items()}


class AugmentationSettings(Page):
    """Which page of `data/augmentation`, and its arguments."""

    @classmethod
    def pages(cls) -> dict[str, Callable[..., Any]]:
        from underhood.data.augmentation import AUGMENTATIONS

        return {name: page.__init__ for name, page in AUGMENTATIONS.items()}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.page()  # it checks its own arguments
        return self

    def page(self) -> Any:
        """The augmentation itself."""
        from underhood.data.augmentation import AUGMENTATIONS

        return AUGMENTATIONS[self.name](**self.arguments)


class DataSettings(Settings):
    """Which data set, how much of it, and what is held out to make choices by.

    `name` is a set of the package, a `.npz` file or a folder of pictures.
    `validation` is a number of training images or a share of them; `train` and `test` take that many images
    instead of all, the first of a shuffle by the seed. `scaling` says what becomes of a pixel: "unit" brings it to
    [0, 1], "normalised" also subtracts the channel's published mean and divides by its standard deviation.
    `augmentation` names pages of data/augmentation in their order; only training images pass through them.
    With `repeats` a batch holds that many instances of each of its images, augmented each in its own way.
    """

    name: str = "mnist"
    validation: int | float = Field(default=0, ge=0)
    train: int | None = Field(default=None, ge=1)
    test: int | None = Field(default=None, ge=1)
    scaling: Literal["normalised", "unit"] = "normalised"
    augmentation: list[AugmentationSettings] = Field(default_factory=list)
    repeats: int = Field(default=1, ge=1)

    @field_validator("augmentation", mode="before")
    @classmethod
    def _one_alone(cls, given: Any) -> Any:
        """`augmentation = "flip"` is `augmentation = ["flip"]`."""
        return [given] if isinstance(given, str | dict) else given

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.repeats > 1 and not self.augmentation:
            raise SettingError("repeats", f"{self.repeats} times the same image; name an augmentation, or leave it out")
        if self.scaling == "unit" and any(step.name == "normalise" and step.arguments for step in self.augmentation):
            raise SettingError("scaling", '"unit" has no mean and deviation to give; leave out normalise or its values')
        return self

    @model_validator(mode="after")
    def _known(self) -> Self:
        from underhood.data import DATA_SETS

        is_a_path = any(sign in self.name for sign in "./\\")
        if self.name not in DATA_SETS and not is_a_path:
            raise SettingError("name", f'unknown "{self.name}"; {nearest(self.name, list(DATA_SETS))}')
        return self


class TrainingSettings(BackendSettings):
    """What is trained, on what, how long and how exactly.

    `initialisation` names the rule for the first weights (training/initial.py). `test_curve` draws the test error
    against epochs; nothing is ever chosen by it. `log_every` is in steps, 0 means twenty times an epoch.
    """

    network: NetworkSettings = Field(default_factory=NetworkSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    optimizer: OptimizerSettings = Field(default_factory=OptimizerSettings)
    initialisation: Literal["pytorch", "he", "xavier", "standard-normal"] = "pytorch"
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=64, ge=1)
    test_curve: bool = False
    log_every: int = Field(default=0, ge=0)
