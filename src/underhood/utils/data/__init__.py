"""Data sets, samplers and loaders with the names, arguments and order of torch.utils.data.

    for images, labels in DataLoader(dataset, batch_size=64, shuffle=True): …

A seed gives PyTorch's order: `manual_seed(0)`, or a `generator` of a seed, shuffles and splits as there. Only
`WeightedRandomSampler` draws otherwise where it draws without replacement, or a single index.
"""

from underhood.engine.missing import lacking
from underhood.utils.data.collate import default_collate, default_convert
from underhood.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from underhood.utils.data.loader import DataLoader
from underhood.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from underhood.utils.data.workers import get_worker_info

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
]

__getattr__ = lacking(__name__)
