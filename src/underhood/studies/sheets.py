"""The sheets that the studies answer: five courses' homework, question by question, and the study that answers each.

A study that stands in none of them is one of the package's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A sheet's question in a line, with its number, and the study that answers it."""

    number: str
    text: str
    study: str


@dataclass(frozen=True)
class Sheet:
    """A course's homework."""

    title: str
    questions: tuple[Question, ...]


ON_EDGE = Sheet(
    "On-edge training, homework 1",
    (
        Question("1", "The shape and the execution time of every layer's output", "layer-profile"),
        Question("2", "The gradients of a Linear layer", "linear-backward"),
        Question("3", "Nesterov's optimiser beside standard gradient descent", "nesterov"),
        Question("4", "Batch size and epochs: variance and mean of the loss", "batch-size-vs-epochs"),
        Question("5", "CIFAR-100 where memory is limited", "cifar100-edge"),
    ),
)
ENGINEERS = Sheet(
    "24-789 Deep Learning for Engineers, Carnegie Mellon University 2021, assignment 1",
    (
        Question("Theory 1", "Gradient descent on GELU, without and with momentum", "gelu-descent"),
        Question("Theory 2", "The smallest perceptrons that are logic gates", "logic-gates"),
        Question("Theory 3", "Back-propagation by hand", "backprop-by-hand"),
        Question("Theory 4", "Convolution, padding, stride and pooling by hand", "conv-arithmetic"),
        Question("Programming 1", "A multi-layer perceptron on MNIST", "mnist-mlp"),
        Question("Programming 2", "A CNN over 90 % on CIFAR-10", "cifar10-cnn"),
    ),
)
SIMPLE_NN = Sheet(
    "CEE 690/ECE 590, Duke University 2021, homework 2",
    (
        Question("1", "Ten statements, true or false?", "concept-claims"),
        Question("Lab 1 (a)", "Is SimpleNN built as it should be?", "simple-nn-sanity"),
        Question("Lab 1 (b) to (g)", "Train SimpleNN: initial loss, accuracy, over-fitting", "simple-nn"),
        Question("Lab 1 (h)", "A learning rate that decays", "lr-decay"),
        Question("Lab 2 (a)", "Random crop and random flip", "augmentation"),
        Question("Lab 2 (b), parts 1 and 2", "BatchNorm, and whether it allows a larger rate", "batch-norm"),
        Question("Lab 2 (b), part 3", "Swish in place of ReLU", "swish"),
        Question("Lab 2 (c), part 1", "The learning rate", "learning-rate"),
        Question("Lab 2 (c), part 2", "The strength of L2 regularisation", "l2-strength"),
        Question("Lab 2 (c), part 3", "L1 against L2: how the weights are distributed", "l1-vs-l2"),
        Question("Lab 3", "ResNet-20 over 90 %", "resnet20"),
    ),
)
CONV_NET = Sheet(
    "The Deep Learning Class, Ukrainian Catholic University 2019",
    (
        Question("I.1, I.2, II.1, II.2", "The forward pass in scalar and vector form", "simple-conv-net-forward"),
        Question("I.3", "The backward pass by the delta rule", "simple-conv-net-backward"),
        Question("II.3", "Twenty epochs of training, and the time of one, scalar and vector", "scalar-vs-vector"),
    ),
)
ARCHITECTURES = Sheet(
    "Deep learning, homework 3 of a course of 2022",
    (
        Question("1", "Five adaptive rules, and dropout", "adaptive-optimizers"),
        Question("2", "Data-parallel training: computation, communication, scaling", "data-parallel"),
        Question("3.1", "AlexNet's parameters", "alexnet-parameters"),
        Question("3.2", "VGG19's activations and parameters", "vgg19-table"),
        Question("3.3", "Receptive fields of stacked convolutions", "receptive-field"),
        Question("3.4", "Inception modules and what they compute", "inception"),
        Question("3.5", "Faster R-CNN and its region proposals", "region-proposals"),
        Question("4.1", "Cutout", "cutout"),
        Question("4.2 to 4.4", "Batch augmentation with cutout", "batch-augmentation"),
    ),
)
SHEETS = (ON_EDGE, ENGINEERS, SIMPLE_NN, CONV_NET, ARCHITECTURES)
OWN = "Beside the sheets"


def by_sheet(studies: Mapping[str, str]) -> list[tuple[str, Sequence[Question]]]:
    """Titles and questions of the sheets, then the studies that no sheet asks for, with their own questions.

    `studies` has each study's question by its name.
    """
    asked = {question.study for sheet in SHEETS for question in sheet.questions}
    own = [Question("", text, name) for name, text in studies.items() if name not in asked]
    sheets = [(sheet.title, [each for each in sheet.questions if each.study in studies]) for sheet in SHEETS]
    return [(title, questions) for title, questions in [*sheets, (OWN, own)] if questions]
