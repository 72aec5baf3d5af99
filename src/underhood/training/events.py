"""Where the trial protocol stood before `underhood.trials`; studies written then import it from here."""

from underhood.trials import Artefact, Checkpoint, Context, Event, Metric, Note, Result, Trial

__all__ = ["Artefact", "Checkpoint", "Context", "Event", "Metric", "Note", "Result", "Trial"]
