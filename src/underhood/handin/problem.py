"""What a hand-in is made of: a script, what it takes from a run, and the model in the form that a sheet asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from underhood.handin.bundle import bundle
from underhood.settings import flattened

Values = Mapping[str, Any]  # a trial's settings, nested
# Settings that say how a training is looked at, or held within bounds, and not what comes out of it.
WATCHED = (
    *("data.test", "threads", "test_curve", "train_curve", "evaluate_every", "evaluation_batch", "log_every", "watch"),
    *("histograms", "memory_limit"),
)


@dataclass(frozen=True)
class Problem:
    """One problem of the sheet. Its files are `<name>.py`, `model` and `<name>_report.pdf`.

    `constants` are the script's, from a trial's settings and seed. It is made of the settings `carried`; it can do
    without WATCHED and `indifferent`; all others must be as the study has them. `refuse` says why it cannot
    be of some settings, and `words` ask `underhood run` for what it can. `write_model` brings the trained network from
    the trial's file into the sheet's form. The script may import `imports`; `replace` is as in `bundle`.
    """

    name: str
    study: str
    script: str
    model: str
    imports: frozenset[str]
    replace: Mapping[str, str]
    carried: tuple[str, ...]
    constants: Callable[[Values, int], dict[str, Any]]
    refuse: Callable[[Values], str | None]
    words: str
    trained: str  # the trial's artefact that holds the network
    write_model: Callable[[Path, Path], None]
    indifferent: tuple[str, ...] = ()
    needs: tuple[str, ...] = ("typst",)  # what writing it takes, of the package's extras

    @property
    def files(self) -> tuple[str, str, str]:
        """Script, model, report."""
        return f"{self.name}.py", self.model, f"{self.name}_report.pdf"

    def cannot(self, settings: Values, defaults: Values) -> str | None:
        """Why the script could not do what the settings say, in a study with these `defaults`."""
        if said := self.refuse(settings):
            return said
        known = tuple(f"{key}." for key in self.carried + self.indifferent + WATCHED)
        usual = flattened(defaults)
        for key, value in flattened(settings).items():
            if not f"{key}.".startswith(known) and value != usual.get(key):
                return f"{self.files[0]} has no {key}, and it is {value} here"
        return None

    def text(self, settings: Values, seed: int, said: str) -> str:
        """The script for a trial."""
        constants = self.constants(settings, seed)
        return bundle(self.script, imports=self.imports, constants=constants, replace=self.replace, said=said)
