"""The training trial: one loop, two back ends."""

from underhood.trials import Artefact, Checkpoint, Context, Metric, Note, Result

__all__ = ["Artefact", "Checkpoint", "Context", "Metric", "Note", "Result"]
