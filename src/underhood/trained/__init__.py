"""A trained network that is yours: loaded in any process, asked for its classes, evaluated on other data.

network.py       Trained: the network, its classes and preprocessing; `load` reads it from its file
images.py        a person's pictures and arrays, as a network takes them
predictions.py   a class and probabilities for each
evaluation.py    accuracy with its interval, confusion, class by class
confirm.py       the stored trial's answers, given again in a new process
"""

from underhood.trained.evaluation import Evaluation
from underhood.trained.network import Trained, load
from underhood.trained.predictions import Predictions

__all__ = ["Evaluation", "Predictions", "Trained", "load"]
