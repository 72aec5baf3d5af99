"""torch's old constructors: `FloatTensor([1, 2])`, `LongTensor(2, 3)`, and `Tensor(…)` itself.

Numbers, lists and tensors are copied into the dtype of the name; whole numbers alone are a shape, and what stands in
memory of that shape is not set. `isinstance(x, LongTensor)` asks for the dtype, `x.type()` tells the name.

PyTorch: torch.FloatTensor and its like; `torch.tensor` and `torch.empty` are what it recommends in their place.
"""

from typing import Any, ClassVar

from underhood.engine.creation import tensor
from underhood.engine.dtypes import DType, bool_, float32, float64, int8, int16, int32, int64, uint8
from underhood.engine.tensor import Size, Tensor


class OfDType(type):
    """The class of these classes: each stands for the tensors of one dtype."""

    dtype: DType

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype == cls.dtype


class TypedTensor(metaclass=OfDType):
    """What they share: a call makes a tensor."""

    dtype: ClassVar[DType]

    def __new__(cls, *data: Any) -> Tensor:  # type: ignore[misc]
        if len(data) == 1 and not isinstance(data[0], int | Size):
            return tensor(data[0], cls.dtype)
        return Tensor(Tensor(*data).array.astype(cls.dtype))


NAMES = {
    "FloatTensor": float32,
    "DoubleTensor": float64,
    "LongTensor": int64,
    "IntTensor": int32,
    "ShortTensor": int16,
    "CharTensor": int8,
    "ByteTensor": uint8,
    "BoolTensor": bool_,
}
globals().update({name: OfDType(name, (TypedTensor,), {"dtype": dtype}) for name, dtype in NAMES.items()})
