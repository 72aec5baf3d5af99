"""How long a training will take, judged from a few of its steps.

    seconds = until the first timed step + steps · a step + evaluations · an image of them

A step is the median of those timed, after the first ones, in which plans are recorded and held against the step as it
stands; what an image takes to evaluate is that of the first batches. Early stopping may end a training before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

from underhood.errors import BadInput
from underhood.training.learner import Learner, NetworkLearner
from underhood.training.pipeline import Part, Parts, shuffled
from underhood.training.settings import TrainingSettings

FIRST = 4  # steps that are not counted
FEWEST, MOST = 3, 40  # steps that are
ENOUGH = 1.5  # seconds of them

# What a step takes is the same whatever these are.
NO_MATTER = {"epochs", "log_every", "evaluate_every", "schedule", "train_curve", "test_curve", "histograms"}
NO_MATTER |= {"watch", "patience", "goal", "at_goal", "weights"}


@dataclass(frozen=True)
class Pace:
    """Seconds: till the first timed step, a step, an image evaluated; and how many images each part has."""

    begin: float
    step: float
    image: float
    train: int
    validation: int
    test: int

    def seconds(self, settings: TrainingSettings) -> float:
        """Of the whole training."""
        steps = settings.epochs * -(-self.train // settings.batch_size)
        evaluations = len({*range(settings.evaluate_every, settings.epochs + 1, settings.evaluate_every)})
        evaluations += settings.epochs % settings.evaluate_every != 0
        images = self.validation + settings.train_curve * self.train + settings.test_curve * self.test
        return self.begin + steps * self.step + (evaluations * images + self.test) * self.image


def pace(
    settings: TrainingSettings, seed: int, parts: Callable[[], Parts], clock: Callable[[], float] = perf_counter
) -> Pace:
    """Take some steps of the training, and time them. BadInput where they can't be taken."""
    began = clock()
    read = parts()
    learner = NetworkLearner(settings, seed, read)
    took: list[float] = []
    begin = 0.0
    while len(took) < FIRST + FEWEST or (len(took) < FIRST + MOST and sum(took[FIRST:]) < ENOUGH):
        if len(took) == FIRST:
            begin = clock() - began
        took.append(_step(learner, settings, seed, read, len(took), clock))
    step = median(took[FIRST:])
    images = _evaluated(learner, read.test, settings.evaluation_batch, clock)
    return Pace(begin - FIRST * step, step, images, len(read.train), len(read.validation), len(read.test))


def _step(
    learner: Learner, settings: TrainingSettings, seed: int, parts: Parts, number: int, clock: Callable[[], float]
) -> float:
    """The seconds of one step, from its images on disk to the loss."""
    size = settings.batch_size
    in_epoch = -(-len(parts.train) // size)
    epoch, batch = divmod(number, in_epoch)
    order = shuffled(len(parts.train), seed, epoch)
    train = parts.train.in_epoch(seed, epoch)
    began = clock()
    learner.prepare(number, 1.0, False)
    x, t = train.batch(order[batch * size : (batch + 1) * size])
    learner.step(x, t)
    return clock() - began


def _evaluated(learner: Learner, part: Part, at_once: int, clock: Callable[[], float]) -> float:
    """The seconds for an image, of the first batches after one that isn't counted."""
    if not len(part):
        raise BadInput("the data set has no test images")
    first, took, images = True, 0.0, 0
    while took < ENOUGH / 3:
        for x, t in part.in_order(at_once):
            began = clock()
            learner.evaluate(x, t)
            took, images = (0.0, 0) if first else (took + clock() - began, images + len(t))
            first = False
            if took >= ENOUGH / 3:
                break
    return took / images
