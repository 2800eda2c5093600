"""Keypoints → shape: bone ratios, the fits (least squares, swarm, network), the running estimate, the calibration."""

from minimal_hand_core.shape.bones import bone_ratios
from minimal_hand_core.shape.calibration import CalibrationResult, ShapeCalibration
from minimal_hand_core.shape.estimator import HandShape, ShapeEstimator, default_hand_length
from minimal_hand_core.shape.fit import ShapeFit
from minimal_hand_core.shape.lm import fit_shape_lm
from minimal_hand_core.shape.methods import SHAPE_METHODS, fit_shape
from minimal_hand_core.shape.pso import fit_shape_pso
from minimal_hand_core.shape.regressor import (
    ShapeRegressor,
    ShapeRegressorError,
    load_shape_regressor,
    save_shape_regressor,
)

__all__ = [
    'CalibrationResult',
    'HandShape',
    'SHAPE_METHODS',
    'ShapeCalibration',
    'ShapeEstimator',
    'ShapeFit',
    'ShapeRegressor',
    'ShapeRegressorError',
    'bone_ratios',
    'default_hand_length',
    'fit_shape',
    'fit_shape_lm',
    'fit_shape_pso',
    'load_shape_regressor',
    'save_shape_regressor',
]
