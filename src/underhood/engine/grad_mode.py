"""Whether operations are written on the tape: the switch, and the contexts that turn it.

Names and behaviour are PyTorch's; each thread and each context of asyncio has a switch of its own.
"""

import inspect
from collections.abc import Iterator
from contextlib import ContextDecorator
from contextvars import ContextVar
from functools import wraps
from typing import Any

_recording: ContextVar[bool] = ContextVar("recording", default=True)


def is_grad_enabled() -> bool:
    """Whether operations are written on the tape."""
    return _recording.get()


class set_grad_enabled(ContextDecorator):
    """Switch the tape on or off: a context, a decorator, or a plain call."""

    def __init__(self, mode: bool) -> None:
        self.mode, self.before = mode, _recording.get()
        _recording.set(mode)

    def __call__(self, function: Any) -> Any:
        _recording.set(self.before)  # as a decorator it switches at every call, not now
        return super().__call__(function)

    def __enter__(self) -> None:
        _recording.set(self.mode)

    def __exit__(self, *error: Any) -> None:
        _recording.set(self.before)


class no_grad(ContextDecorator):
    """Nothing inside is written on the tape: for evaluation, and for changing parameters.

    As a decorator, `@no_grad()` or `@no_grad`, it holds for every call, and around each step of a generator.
    """

    mode = False

    def __new__(cls, function: Any = None) -> Any:
        return super().__new__(cls) if function is None or isinstance(function, bool) else cls()(function)

    def __init__(self, function: Any = None) -> None:
        self.before: list[bool] = []

    def __call__(self, function: Any) -> Any:
        if not inspect.isgeneratorfunction(function):
            return super().__call__(function)

        @wraps(function)
        def steps(*args: Any, **options: Any) -> Iterator[Any]:
            generator = function(*args, **options)
            send, value = generator.send, None
            while True:
                with type(self)():
                    try:
                        found = send(value)
                    except StopIteration as end:
                        return end.value
                try:
                    send, value = generator.send, (yield found)
                except GeneratorExit:
                    with type(self)():
                        generator.close()
                    raise
                except BaseException as error:
                    send, value = generator.throw, error

        return steps

    def __enter__(self) -> None:
        self.before.append(_recording.get())
        _recording.set(self.mode)

    def __exit__(self, *error: Any) -> None:
        _recording.set(self.before.pop())


class enable_grad(no_grad):
    """The tape on again, inside a `no_grad`."""

    mode = True


class inference_mode(no_grad):
    """`no_grad` under its newer name; `inference_mode(False)` leaves the tape as it is.

    PyTorch's also forbids what was made inside to the tape for good; here that may be used like anything else.
    """

    def __init__(self, mode: Any = True) -> None:
        super().__init__()
        self.mode = not mode if isinstance(mode, bool) else False

    def __enter__(self) -> None:
        self.before.append(_recording.get())
        _recording.set(self.mode and _recording.get())
