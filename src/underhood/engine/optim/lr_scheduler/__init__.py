"""Schedules of the learning rate, with the names, arguments and trajectories of torch.optim.lr_scheduler.

Write η₀ for the rate that the optimiser was made with and k for the steps that the schedule has taken. Pages give
η(k); the code goes from η(k−1) to η(k) as torch does, so that a rate changed by hand in between, or by another
schedule, is kept in proportion.
"""

from underhood.engine.missing import lacking
from underhood.engine.optim.lr_scheduler.cosine import CosineAnnealingLR
from underhood.engine.optim.lr_scheduler.multiplicative import MultiplicativeLR
from underhood.engine.optim.lr_scheduler.one_cycle import OneCycleLR
from underhood.engine.optim.lr_scheduler.plateau import ReduceLROnPlateau
from underhood.engine.optim.lr_scheduler.powers import ExponentialLR, MultiStepLR, StepLR
from underhood.engine.optim.lr_scheduler.ramps import ConstantLR, LinearLR, PolynomialLR
from underhood.engine.optim.lr_scheduler.schedule import LambdaLR, LRScheduler
from underhood.engine.optim.lr_scheduler.sequential import SequentialLR
from underhood.engine.optim.lr_scheduler.warm_restarts import CosineAnnealingWarmRestarts

SCHEDULES: dict[str, type[LRScheduler]] = {
    schedule.__name__: schedule
    for schedule in (
        StepLR,
        MultiStepLR,
        ExponentialLR,
        ConstantLR,
        LinearLR,
        PolynomialLR,
        CosineAnnealingLR,
        CosineAnnealingWarmRestarts,
        OneCycleLR,
        LambdaLR,
        MultiplicativeLR,
        SequentialLR,
        ReduceLROnPlateau,
    )
}

__all__ = [
    "SCHEDULES",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

__getattr__ = lacking(__name__, "underhood.optim.lr_scheduler")
