"""Writing the open hand's file."""

import io
import zipfile
from pathlib import Path

import numpy as np

from minimal_hand_core.files import write_atomically


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes a compressed .npz without time stamps; whoever reads it meanwhile gets the old file or the new one."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as file:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f'{name}.npy'), buffer.getvalue(), zipfile.ZIP_DEFLATED, 9)
    write_atomically(path, archive.getvalue())
