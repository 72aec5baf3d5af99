"""What a trial is computed with: the back end, and the options that it has to be quicker with.

    precision           weights     products    for
    float32             float32     float32     the measure of all others
    float64             float64     float64     finding out what rounding does
    bfloat16-autocast   float32     bfloat16    processors and GPUs that multiply bfloat16 themselves
    bfloat16            bfloat16    bfloat16    the same, with half the memory; BatchNorm stays in float32

bfloat16 has float32's range and 8 of its 24 binary digits. All of these may change a number in its last digits or
earlier, so they are part of what a trial is. Only PyTorch has more than float32 and float64 on a processor.

    form                a step on the engine is
    plan                recorded once, then replayed in fused kernels
    fast                each operation in its fast form, as it stands
    vector              in array code; a convolution's columns hold C·K·K numbers
    vector-by-channel   the same, but for 2-D convolutions: a product a channel, with columns of K·K numbers
    definition          by the loops of the equations, compiled
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from underhood.settings import SettingError, Settings

Form = Literal["plan", "fast", "vector", "vector-by-channel", "definition"]
Precision = Literal["float32", "float64", "bfloat16-autocast", "bfloat16"]
ON_PROCESSORS = "the engine computes on the processor, in float32 or float64"
ITS_OWN_WAY = "the engine's plan joins activations to what precedes them, and lays all its buffers out at once"
ENGINE_HAS = {
    "device": (("cpu",), ON_PROCESSORS),
    "precision": (("float32", "float64"), ON_PROCESSORS),
    "channels_last": ((False,), ON_PROCESSORS),
    "compile": ((False,), ON_PROCESSORS),
    "fused": ((False,), ON_PROCESSORS),
    "devices": ((1,), ON_PROCESSORS),
    "in_place_activations": ((False,), ITS_OWN_WAY),
    "activation_checkpointing": ((False,), ITS_OWN_WAY),
}


class ParallelSettings(Settings):
    """What several `devices` do with a batch (docs/data-parallel.md).

    `batch` "whole": the batch size is that of all together, and the training is the one that a single worker would do,
    but for rounding; "each": every worker takes a batch of that size, so that a step sees k times as many images. For
    that `rate` keeps the learning rate, multiplies it by k ("linear", Goyal et al. 2017) or by √k ("square-root",
    Krizhevsky 2014). `batch_norm` is over the batch of all workers, or of each alone as in plain DDP. `resumed` are the
    numbers of devices that the trial was on before, in their order: it goes on from the last one's checkpoint.
    """

    batch: Literal["whole", "each"] = "whole"
    rate: Literal["kept", "linear", "square-root"] = "kept"
    batch_norm: Literal["synchronised", "local"] = "synchronised"
    resumed: list[int] = Field(default_factory=list)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.rate != "kept" and self.batch == "whole":
            raise SettingError("rate", f'"{self.rate}" follows a batch that grows; it needs parallel.batch = "each"')
        if strange := [count for count in self.resumed if count < 1]:
            raise SettingError("resumed", f"{strange[0]} is no number of devices")
        return self


class BackendSettings(Settings):
    """With what a trial is computed.

    `channels_last` stores images and kernels with the channels innermost, `compile` translates the network by
    torch.compile while it trains, `fused` updates all weights in one call of the optimiser. `device` is "cpu" or
    "cuda"; `threads` are the processor's, for each of the `devices`: workers that train together, each on a processor
    of its own or on a GPU of its own. `form` is the engine's. `in_place_activations` and `activation_checkpointing`
    hold fewer activations for the same numbers (instruments/activations.py).
    """

    backend: Literal["underhood", "torch"] = "underhood"
    device: Literal["cpu", "cuda"] = "cpu"
    precision: Precision = "float32"
    channels_last: bool = False
    compile: bool = False
    fused: bool = False
    in_place_activations: bool = False
    activation_checkpointing: bool = False
    threads: int = Field(default=1, ge=1)
    form: Form = "plan"
    devices: int = Field(default=1, ge=1)
    parallel: ParallelSettings = Field(default_factory=ParallelSettings)

    @property
    def dtype(self) -> str:
        """What batches are made in: NumPy has no bfloat16."""
        return "float64" if self.precision == "float64" else "float32"

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.devices > 1 and self.compile:
            raise SettingError("compile", f"true is for one device; here are {self.devices}")
        return self

    @model_validator(mode="after")
    def _the_engine_has_it(self) -> Self:
        if self.backend == "underhood":
            for key, (there_is, why) in ENGINE_HAS.items():
                value = getattr(self, key)
                if value not in there_is:
                    said = f'"{value}"' if isinstance(value, str) else str(value).lower()
                    raise SettingError(key, f"{said} needs backend = torch; {why}")
        elif self.form != "plan":
            raise SettingError("form", f'"{self.form}" is a form of the engine; it needs backend = underhood')
        if self.compile and self.activation_checkpointing:
            raise SettingError(
                "activation_checkpointing", "compile chooses itself what is computed again; leave one out"
            )
        return self
