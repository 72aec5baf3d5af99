"""The door to `underhood.engine.nn.parallel`."""

from underhood.engine.nn.parallel import DataParallel as DataParallel
