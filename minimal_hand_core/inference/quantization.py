"""INT8 by calibration: the convolutions of an exported model in 8-bit integers, everything else in float32.

Ranges of activations are the smallest and largest values seen on real crops; weights have one scale per output channel
and 7 bits, because processors without 8-bit dot products add in 16 bits and would overflow with 8.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from minimal_hand_core.inference.availability import check_packages
from minimal_hand_core.inference.engine import check_crops
from minimal_hand_core.inference.onnx_model import INPUT, model_facts

BATCH = 8


def quantize_model(model: bytes, crops: np.ndarray) -> bytes:
    """A model of `export_model` with its convolutions in INT8.

    Args:
        model: serialised.
        crops: (N, 128, 128, 3) uint8 RGB, real crops of right hands; 64 do well, not those that accuracy is judged on.

    Raises:
        ValueError: crops of another shape or type.
        EngineError: onnx or onnxruntime is not installed.
    """
    check_crops(crops)
    check_packages('onnxruntime')
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches: Iterator[np.ndarray] = (crops[i : i + BATCH] for i in range(0, len(crops), BATCH))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {INPUT: batch}

    with tempfile.TemporaryDirectory() as folder:
        # Its tools read and write files.
        source, prepared, result = (Path(folder) / name for name in ('source.onnx', 'prepared.onnx', 'int8.onnx'))
        source.write_bytes(model)
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(result),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=['Conv'],
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        quantized = onnx.load(str(result))
    facts = {**model_facts(model), 'precision': 'int8', 'calibration_crops': str(len(crops))}
    onnx.helper.set_model_props(quantized, facts)
    return quantized.SerializeToString()
