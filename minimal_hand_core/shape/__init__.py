"""Keypoints → shape: bone ratios, the least-squares fit, the running estimate and the calibration."""

from minimal_hand_core.shape.bones import bone_ratios
from minimal_hand_core.shape.calibration import CalibrationResult, ShapeCalibration
from minimal_hand_core.shape.estimator import HandShape, ShapeEstimator, default_hand_length
from minimal_hand_core.shape.lm import ShapeFit, fit_shape_lm

__all__ = [
    'CalibrationResult',
    'HandShape',
    'ShapeCalibration',
    'ShapeEstimator',
    'ShapeFit',
    'bone_ratios',
    'default_hand_length',
    'fit_shape_lm',
]
