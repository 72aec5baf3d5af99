"""The laboratory: a study asks a question, its trials run wherever they may, the store keeps what they found.

study.py         a question, its axes and scales; plan: the trials that answer it
trial.py         what a trial is, and its id
code.py          the fingerprint of the code behind it
coordinator.py   runs what isn't done yet; watching.py: watches who does
executors/       where trials run: processes of this machine, or a Ray cluster
worker.py        one trial in its folder, from first step or last checkpoint to result
process_group.py a trial on several devices: torchrun's workers; resuming.py goes on with another number of them,
                 process_group_hosts.py spreads them over machines
store.py         a run's files; files.py and checkpoints.py write them
results.py       trials by setting; summary.py: mean, interval, n; comparing/: one against another
frames.py        results as columns; measurements.py: many lines of metrics at once; exports/: as files
index.py         what stands in a folder of runs, listed at once; query.py filters and sorts it

A name is loaded when it is first used: to list runs takes none of what runs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from underhood.lab.coordinator import run_study
    from underhood.lab.how import How
    from underhood.lab.results import Group, Results, Run, StoredTrial, list_runs, open_run
    from underhood.lab.study import Scale, Study, plan
    from underhood.lab.summary import Curve, Summary
    from underhood.lab.trial import TrialSpec, load_file

_FACE = {
    "Curve": "summary",
    "Group": "results",
    "How": "how",
    "Results": "results",
    "Run": "results",
    "Scale": "study",
    "StoredTrial": "results",
    "Study": "study",
    "Summary": "summary",
    "TrialSpec": "trial",
    "list_runs": "results",
    "load_file": "trial",
    "open_run": "results",
    "plan": "study",
    "run_study": "coordinator",
}

__all__ = [
    "Curve",
    "Group",
    "How",
    "Results",
    "Run",
    "Scale",
    "StoredTrial",
    "Study",
    "Summary",
    "TrialSpec",
    "list_runs",
    "load_file",
    "open_run",
    "plan",
    "run_study",
]


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_FACE[name]}"), name)
    return value
