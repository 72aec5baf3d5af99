"""Images seen at every s-th position (`x[:, :, ::2, ::2]`), and channels of zeros before and after (`pad`)."""

from underhood.engine.fast.images import copy_images
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.memory import Padded
from underhood.engine.fast.recording import Line
from underhood.engine.fast.stages.stage import Stage, is_image

ALL = slice(None)


def match(line: Line, taken: set[int]) -> Stage | None:
    if not (is_image(line.inputs[0]) and is_image(line.output)):
        return None
    if line.operation.name == "index":
        index = line.settings["index"]
        steps = isinstance(index, tuple) and len(index) == 4 and index[:2] == (ALL, ALL)
        if steps and all(isinstance(i, slice) and i == slice(None, None, i.step) and (i.step or 1) > 0 for i in index):
            return Moved([line], (index[2].step or 1, index[3].step or 1), 0)
    if line.operation.name == "pad":
        settings = line.settings
        pad = (*settings["pad"], *(0,) * (8 - len(settings["pad"])))
        zeros = settings["mode"] == "constant" and not settings["value"]
        if zeros and not any(pad[:4]) and not any(pad[6:]) and min(pad) >= 0:
            return Moved([line], (1, 1), pad[4])
    return None


class Moved(Stage):
    """z[c + first] = a[c], seen at every step-th position."""

    def __init__(self, lines: list[Line], steps: tuple[int, int], first: int) -> None:
        super().__init__(lines)
        self.steps, self.first = steps, first
        self.a = lines[0].inputs[0]

    def forward(self, to: Lowering) -> None:
        a, z = to.values.read_padded(self.a), to.values.make_padded(self.output)
        n, c, h, w = self._common()
        if c < z.channels:  # its memory may have held something else
            to.values.clear(z)
        to.schedule.emit(
            copy_images(False), a.image(0, 0, *self.steps), 1, z.image(channel=self.first), 1, n, h, w, c, images=n
        )

    def backward(self, to: Lowering) -> None:
        n, c, h, w = self._common()
        dz: Padded = to.gradients.as_padded(self.output)
        with to.gradients.into_padded(self.a) as (da, add):
            if not add and self.steps != (1, 1):
                to.values.clear(da)
                add = True
            to.schedule.emit(
                copy_images(add), dz.image(channel=self.first), 1, da.image(0, 0, *self.steps), 1, n, h, w, c, images=n
            )

    def _common(self) -> tuple[int, int, int, int]:
        n, _, h, w = self.output.shape
        return n, self.a.shape[1], h, w
