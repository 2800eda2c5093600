"""Whole training recipes by name: what `recipe: paper` and `recipe: modern` stand for.

config/training/paper.yaml and modern.yaml say the same, line by line and with what is known of each line.
"""

from __future__ import annotations

from typing import Any

from minimal_hand_core.training.comparison import over
from minimal_hand_core.training.recipe import ConfigError

_PEER_SETS = ({'name': 'cmu_panoptic'}, {'name': 'cmu_hand_labels'}, {'name': 'rhd'}, {'name': 'ganerated'})

PAPER: dict[str, Any] = {
    'backbone': 'resnet50',
    'steps': 1_302_404,
    'batch': 32,
    'loss': 'peer',
    'reference': False,
    'learning_rate': 1e-3,
    'schedule': 'steps',
    'drop_every': 3_030_828,
    'drop_factor': 0.1,
    'warmup': 0,
    'weight_decay': 0.0,
    'clip': 0.0,
    'ema_decay': 0.0,
    'precision': 'float32',
    'checkpoint_every': 2_000,
    'log_every': 200,
    'data': {
        'datasets': _PEER_SETS,
        'sampling': 'proportional',
        'hidden_weight': 1.0,
        'view_axes': False,
        'variation': {
            'rotation': 1.5707963,
            'upright': 0.0,
            'scale': (1.2, 1.4667),
            'far': 0.0,
            'shift': 0.1,
            'background': 0.0,
            'occluder': 0.0,
            'shadow': 0.0,
            'light': 0.0,
            'color': 1.0,
            'grey': 0.0,
            'channels': 0.0,
            'blur': 0.0,
            'low_resolution': 0.0,
            'noise': 0.0,
            'jpeg': 0.0,
        },
        'workers': 8,
    },
    'validation': {'every': 12_172, 'rendered': 0, 'count': 500},
}

MODERN: dict[str, Any] = {
    'backbone': 'small',
    'steps': 120_000,
    'batch': 64,
    'learning_rate': 1.5e-3,
    'schedule': 'cosine',
    'warmup': 500,
    'weight_decay': 0.02,
    'clip': 5.0,
    'ema_decay': 0.999,
    'precision': 'auto',
    'checkpoint_every': 500,
    'log_every': 100,
    'data': {
        'datasets': (*_PEER_SETS, {'name': 'freihand'}, {'name': 'stb', 'split': 'train_val', 'weight': 0.3}),
        'sampling': 'balanced',
        'rendered_share': 0.3,
        'hidden_weight': 0.5,
        'view_axes': True,
        'workers': 8,
    },
    'validation': {'every': 4_000, 'rendered': 400, 'count': 500},
}

PRESETS = {'paper': PAPER, 'modern': MODERN}


def with_preset(tree: dict[str, Any]) -> dict[str, Any]:
    """`tree` over the recipe that it names; a list takes the place of the recipe's. Without a recipe, `tree`.

    Raises:
        ConfigError: an unknown recipe.
    """
    name = tree.get('recipe')
    if name is None:
        return tree
    if name not in PRESETS:
        raise ConfigError(f'recipe is {name!r}; give one of {", ".join(PRESETS)}')
    return over(PRESETS[name], tree)
