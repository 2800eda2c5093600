"""Labelled hands: readers of data sets, rendered hands, augmentation, and where pictures come from."""

from minimal_hand_core.data.datasets.dataset import HandDataset
from minimal_hand_core.data.datasets.holdout import held_out
from minimal_hand_core.data.datasets.registry import DATASETS, dataset_splits, open_dataset
from minimal_hand_core.data.datasets.tree import DatasetError
from minimal_hand_core.data.sample import Sample

__all__ = ['DATASETS', 'DatasetError', 'HandDataset', 'Sample', 'dataset_splits', 'held_out', 'open_dataset']
