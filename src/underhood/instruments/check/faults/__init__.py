"""The ways to be wrong. `diagnose` says which of them it was.

Each fault is a guess: what one would have found with that mistake. The guess that is what was found, to the last
digits, is the diagnosis; a wrong name is next to impossible, since the numbers are random. A new fault is a
generator of guesses in its module and a line in the module's list.
"""

import numpy as np

from underhood.instruments.check.faults import accumulation, arrays, functions, layers, losses, normalisation
from underhood.instruments.check.faults.case import SAME, Case, Diagnosis, Fault, Guess

FAULTS: tuple[Fault, ...] = (
    *arrays.FIRST,
    *layers.FAULTS,
    *losses.FAULTS,
    *normalisation.FAULTS,
    *functions.FAULTS,
    *accumulation.FAULTS,
    *arrays.LAST,
)

__all__ = ["FAULTS", "Case", "Diagnosis", "Fault", "Guess", "diagnose"]


def diagnose(case: Case) -> Diagnosis | None:
    """The fault whose guess is what was found: the first to the last digits, or else the nearest by far."""
    if case.found.dtype.kind != "f" or case.expected.dtype.kind != "f":
        return None  # of indices and masks the faults know nothing
    best, nearest = None, case.near
    with np.errstate(all="ignore"):  # what is compared need not be finite
        for fault in FAULTS:
            for explanation, guess in fault.guesses(case):
                missed = case.missed_by(guess)
                if missed <= nearest:
                    best, nearest = Diagnosis(fault.name, explanation), missed / 10
                    if missed <= SAME:
                        return best
    return best
