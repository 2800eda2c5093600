"""Tiny data sets in the native layouts, made from rendered hands of known truth.

Every `write_…` knows the native format by itself, in words: joint names in stored order, units, signs, frames. It does
not import the readers, so that a reader's mistake cannot cancel out.
"""

from native_layouts.cmu import write_cmu_hand_labels, write_cmu_panoptic
from native_layouts.dexter import write_dexter_object, write_ego_dexter
from native_layouts.freihand import write_freihand
from native_layouts.ganerated import write_ganerated
from native_layouts.real_hands import write_real_hands
from native_layouts.rhd import write_rhd
from native_layouts.scenes import Scene, TrueHand, render_scene
from native_layouts.stb import write_stb

__all__ = [
    'Scene',
    'TrueHand',
    'render_scene',
    'write_cmu_hand_labels',
    'write_cmu_panoptic',
    'write_dexter_object',
    'write_ego_dexter',
    'write_freihand',
    'write_ganerated',
    'write_real_hands',
    'write_rhd',
    'write_stb',
]
