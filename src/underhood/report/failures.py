"""What the trials that failed said last: the end of each log, with the reason. That they failed stands above all."""

from underhood.lab.results import Results
from underhood.report import prose
from underhood.report.document import Block, Code, Section

MOST = 5  # logs; the others are in their trials' folders


def sections(results: Results) -> list[Section]:
    """One section where a trial failed, none otherwise."""
    failed = [(group.label, trial) for group in results.groups for trial in group.trials if trial.state == "failed"]
    if not failed:
        return []
    shown = f"the first {MOST} of {len(failed)} trials" if len(failed) > MOST else "each trial"
    blocks: list[Block] = [f"The last lines of {shown} that failed; `log.txt` in a trial's folder has all."]
    for label, trial in failed[:MOST]:
        note = prose.escaped(f"{label}, seed {trial.seed}: {trial.reason}")
        blocks.append(Code(trial.folder.log_tail() or "The log is empty.", note))
    return [Section("The ends of the logs", blocks, folded=True)]
