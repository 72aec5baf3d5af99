"""The settings of a training trial: everything that may change its numbers.

    optimizer = {name = "adam", lr = 0.001}
    network = {name = "mlp", hidden = [512, 256]}
    data.augmentation = ["flip", {name = "crop", padding = 4, mode = "reflect"}]
    schedule = {name = "cosine", warmup = 5}

`network`, `optimizer`, `schedule`, `averaging` and each `augmentation` take, beside their own fields, the arguments
of the entry that they name; what is left out keeps the entry's default.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from underhood.errors import BadInput, nearest
from underhood.settings import DIGESTS, LOCATED, SettingError, Settings
from underhood.sizes import parse_size, size_text
from underhood.training.averaging import AVERAGES, Averaging
from underhood.training.backends.settings import BackendSettings
from underhood.training.entry_settings import EntrySettings
from underhood.training.schedules import SCHEDULES, Moment
from underhood.training.selection import Watched

if TYPE_CHECKING:
    from underhood.instruments.target import Maker

IN_A_FILE = LOCATED | DIGESTS  # what a network in a file has beside its name and arguments


class NetworkSettings(EntrySettings):
    """Which entry of `networks`, or the user's own in a file, "nets.py:Small" (own_network.py), and its arguments.

    What is left out of inputs, channels and classes, the data give.
    """

    follow = frozenset({"inputs", "channels", "classes"})

    name: str = "mlp"

    @classmethod
    def entries(cls) -> dict[str, Callable[..., Any]]:
        from underhood.networks import NETWORKS

        return {name: row.build for name, row in NETWORKS.items()}

    @model_validator(mode="before")
    @classmethod
    def _in_a_file(cls, given: Any) -> Any:
        """A file's name becomes where it lies and what it holds, unless that is known already."""
        given = {"name": given} if isinstance(given, str) else given
        if not isinstance(given, Mapping) or not isinstance(given.get("name"), str) or IN_A_FILE.issubset(given):
            return given
        from underhood.training.own_network import found

        try:
            return {**given, **(found(given["name"]) or {})}
        except BadInput as error:
            raise SettingError("name", str(error)) from error

    @property
    def own(self) -> bool:
        """Whether it is the user's, in a file."""
        return IN_A_FILE.issubset(self.model_extra or {})

    @property
    def arguments(self) -> dict[str, Any]:
        return {name: value for name, value in super().arguments.items() if name not in IN_A_FILE}

    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        if not self.own:
            return super().parameters()
        made = self.known()
        return None if made is None else made.parameters

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """A network in a file is given all that it needs."""
        for p in (self.parameters() or ()) if self.own else ():
            needed = p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
            if needed and p.name not in self.arguments and p.name not in self.follow:
                raise SettingError(p.name, f"{self.name} needs it and has no default; write network.{p.name}=…")
            if p.default is p.empty and p.kind is p.POSITIONAL_ONLY:
                raise SettingError("name", f"{self.name} takes {p.name} by position alone; give it a name")
        return self

    def known(self) -> "Maker | None":
        """What makes the network in a file that is as it was; None for an entry, or where the file has changed."""
        from underhood.training.own_network import known

        return known(self.model_dump()) if self.own else None

    def maker(self) -> "Maker":
        """What makes the network; BadInput where its file has changed or is gone."""
        from underhood.training.own_network import maker_of

        return maker_of(self.model_dump())


class OptimizerSettings(EntrySettings):
    """Which entry of `optim`, its learning rate and its other arguments."""

    name: str = "sgd"
    lr: float = Field(default=0.01, ge=0)

    @classmethod
    def entries(cls) -> dict[str, Callable[..., Any]]:
        from underhood.engine.optim import OPTIMIZERS

        return {name: row.optimizer for name, row in OPTIMIZERS.items()}


class AugmentationSettings(EntrySettings):
    """Which entry of `data/augmentation`, and its arguments."""

    checks_itself = True

    @classmethod
    def entries(cls) -> dict[str, Callable[..., Any]]:
        from underhood.data.augmentation import AUGMENTATIONS

        return {name: page.__init__ for name, page in AUGMENTATIONS.items()}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.make()  # it checks its own arguments
        return self

    def make(self) -> Any:
        """The augmentation itself."""
        from underhood.data.augmentation import AUGMENTATIONS

        return AUGMENTATIONS[self.name](**self.arguments)


class ScheduleSettings(EntrySettings):
    """Which entry of `schedules`, its arguments, and what all of them share.

    The rate climbs to its full height over the first `warmup` epochs, a fraction of one if need be. It changes before
    every step, or with `every = "epoch"` before the first step of an epoch alone.
    """

    checks_itself = True

    name: str = "constant"
    warmup: float = Field(default=0, ge=0)
    every: Literal["step", "epoch"] = "step"

    @classmethod
    def entries(cls) -> dict[str, Callable[..., Any]]:
        return {name: page.__init__ for name, page in SCHEDULES.items()}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        SCHEDULES[self.name](**self.arguments)  # it checks its own arguments
        if self.name == "one-cycle" and self.warmup:
            raise SettingError("warmup", "one-cycle climbs by itself; leave warmup out, or give it start and peak")
        return self

    def over(self, per_epoch: int, epochs: int, watched: list[float]) -> Callable[[int], float]:
        """What the optimiser's rate is multiplied by in a step, counted from 0: see schedules/schedule.py."""
        page, by_step, warmup = SCHEDULES[self.name](**self.arguments), self.every == "step", self.warmup

        def factor(step: int) -> float:
            begun = (step + 1) / per_epoch if by_step else step // per_epoch + 1
            at = step / per_epoch if by_step else step // per_epoch
            warm = min(1.0, begun / warmup) if warmup else 1.0
            return warm * page.rate(Moment(at, epochs, warmup, watched))

        return factor


def _no_arguments(self: None) -> None:
    """The arguments of "none"."""


class AveragingSettings(EntrySettings):
    """Which entry of `averaging`, and its arguments; "none" evaluates and saves the weights as they are."""

    checks_itself = True

    name: str = "none"

    @classmethod
    def entries(cls) -> dict[str, Callable[..., Any]]:
        return {"none": _no_arguments, **{name: page.__init__ for name, page in AVERAGES.items()}}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.make()  # it checks its own arguments
        return self

    def make(self) -> Averaging | None:
        """The rule itself."""
        return None if self.name == "none" else AVERAGES[self.name](**self.arguments)


class PenaltySettings(Settings):
    """What is added to the loss: l1 · Σ|w| + l2/2 · Σw².

    The sums are over kernels and matrices, or with `of = "all"` over biases and the scales and shifts of
    normalisations too. An optimiser's weight_decay is apart from it (training/gradients.py).
    """

    l1: float = Field(default=0, ge=0)
    l2: float = Field(default=0, ge=0)
    of: Literal["weights", "all"] = "weights"


class ClipSettings(Settings):
    """How large a gradient may be: `norm` bounds the norm of all of them together, `value` every element; 0 nothing."""

    norm: float = Field(default=0, ge=0)
    value: float = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.norm and self.value:
            raise SettingError("value", "norm is given too; clip by the one or the other")
        return self


class HistogramSettings(Settings):
    """After which epochs a histogram of each weight array is kept (training/histograms.py); 0 is before training."""

    epochs: list[int] = Field(default_factory=list)
    bins: int = Field(default=50, ge=1, le=1000)

    @field_validator("epochs", mode="before")
    @classmethod
    def _one_alone(cls, given: Any) -> Any:
        """`epochs = 5` is `epochs = [5]`."""
        return [given] if isinstance(given, int) else given


class DataSettings(Settings):
    """Which data set, how much of it, and what is held out to make choices by.

    `name` is a set of the package, a `.npz` file or a folder of pictures.
    `validation` is a number of training images or a fraction of them; `train` and `test` take that many images
    instead of all, the first of a shuffle by the seed. `scaling` says what becomes of a pixel: "unit" brings it to
    [0, 1], "normalised" also subtracts the channel's published mean and divides by its standard deviation.
    `augmentation` names entries of data/augmentation in their order; only training images pass through them.
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

    `initialisation` names the rule for the initial weights (training/initial.py). `label_smoothing` is the fraction of
    certainty that is spread over all classes. A step's batch of `batch_size` is taken in `accumulate` passes, and
    evaluation sees `evaluation_batch` images at once. `memory_limit` ("1GB") is a ceiling that the trial's process is
    held to; it changes no number, but a study that compares ceilings has to tell its trials apart.
    `test_flips` means what the network says of an image and of its mirror image, "logits" or "probabilities", wherever
    it is evaluated.

    It is evaluated every `evaluate_every` epochs and at the end. Choices go by what `watch` names: after `patience`
    evaluations without a better one the training ends (0: never), and `weights` says whether the result is of the
    last weights or of the best. At a validation accuracy of `goal` (0: none) the training ends, or goes on as `at_goal`
    says. `train_curve` evaluates on the training images too, without augmentation and dropout.
    `test_curve` draws the test error against epochs; nothing is ever chosen by it. `log_every` is in steps, 0 means
    twenty times an epoch. `histograms` keeps the weights' at chosen epochs.
    """

    network: NetworkSettings = Field(default_factory=NetworkSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    optimizer: OptimizerSettings = Field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    averaging: AveragingSettings = Field(default_factory=AveragingSettings)
    penalty: PenaltySettings = Field(default_factory=PenaltySettings)
    clip: ClipSettings = Field(default_factory=ClipSettings)
    label_smoothing: float = Field(default=0, ge=0, lt=1)
    initialisation: Literal["pytorch", "he", "xavier", "standard-normal"] = "pytorch"
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=64, ge=1)
    accumulate: int = Field(default=1, ge=1)
    evaluation_batch: int = Field(default=1000, ge=1)
    memory_limit: str | None = None
    test_flips: Literal["none", "logits", "probabilities"] = "none"
    evaluate_every: int = Field(default=1, ge=1)
    watch: Watched = "validation_error"
    patience: int = Field(default=0, ge=0)
    goal: float = Field(default=0, ge=0, le=1)
    at_goal: Literal["stop", "go-on"] = "stop"
    weights: Literal["last", "best"] = "last"
    train_curve: bool = False
    test_curve: bool = False
    log_every: int = Field(default=0, ge=0)
    histograms: HistogramSettings = Field(default_factory=HistogramSettings)

    @property
    def step_images(self) -> int:
        """How many images a step is of, on all devices together."""
        return self.batch_size * (self.devices if self.parallel.batch == "each" else 1)

    @property
    def rate(self) -> float:
        """The learning rate before its schedule: as given, or grown with the batch."""
        power = {"kept": 0.0, "linear": 1.0, "square-root": 0.5}[self.parallel.rate]
        return self.optimizer.lr * float(self.devices**power)

    def trainings(self) -> "Sequence[TrainingSettings] | None":
        """What a trial of these settings trains, one after the other.

        None where that is not the steps of `train` in one process, of which a few tell how long it takes.
        """
        return [self] if self.devices == 1 else None

    @field_validator("memory_limit", mode="before")
    @classmethod
    def _a_size(cls, given: Any) -> Any:
        """One spelling of each size, so that 1GB and 1000MB are one trial."""
        if given is None or given == "none":
            return None
        try:
            return size_text(parse_size(given))
        except (BadInput, TypeError) as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _computable(self) -> Self:
        """A module of PyTorch's is computed by PyTorch alone."""
        made = self.network.known()
        if made is not None and not made.pages and self.backend != "torch":
            raise SettingError(
                "backend",
                f"{made.name} takes no `nn`, so PyTorch alone computes it: --set backend=torch, or write it as a "
                "function of `nn`, as `underhood new network` does",
            )
        return self

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        strange = [epoch for epoch in self.histograms.epochs if not 0 <= epoch <= self.epochs]
        if strange:
            raise SettingError("histograms.epochs", f"{strange[0]} is none of this training's, 0 to {self.epochs}")
        chooses = {
            "schedule.name": self.schedule.name == "plateau" and '"plateau"',
            "patience": self.patience and f"{self.patience}",
            "goal": self.goal and f"{self.goal:g}",
            "weights": self.weights == "best" and '"best"',
        }
        for key, said in chooses.items():
            if said and not self.data.validation:
                raise SettingError(key, f"{said} goes by validation images; hold some out, as in data.validation = 0.1")
        rule, arguments = self.optimizer.name, self.optimizer.arguments
        apart = rule == "adamw" or arguments.get("decoupled_weight_decay")
        if self.penalty.l2 and arguments.get("weight_decay") and not apart:
            raise SettingError("penalty.l2", "the optimiser's weight_decay is an L2 penalty already; give one of them")
        if self.accumulate > 1 and self.form != "plan":
            raise SettingError("form", f'"{self.form}" is of whole steps; leave accumulate at 1')
        if self.accumulate > self.batch_size:
            raise SettingError(
                "accumulate", f"a batch of {self.batch_size} cannot be taken in {self.accumulate} passes"
            )
        return self
