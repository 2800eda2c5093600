"""Recorded pictures tracked as fast as the machine can: a video, a bag, an MCAP file, or a folder of pictures.

inputs.py    file → pictures with their stamps and intrinsics
tracking.py  picture → hands, by the same stages as the tracker node
outputs/     hands → table (NPZ, CSV), film (MP4), recording (MCAP), meshes (OBJ, GLB), in parts that are joined
run.py       one input, from wherever it was left
work.py      many inputs: workers on this machine (pool.py), or on many by way of Ray (ray_pool.py)
track_file.py  the command
"""

from minimal_hand_core.offline.inputs import Frame, InputError, PictureInput, open_input
from minimal_hand_core.offline.options import OfflineError, TrackOptions
from minimal_hand_core.offline.run import Outcome, Task, track_input

__all__ = [
    'Frame',
    'InputError',
    'OfflineError',
    'Outcome',
    'PictureInput',
    'Task',
    'TrackOptions',
    'open_input',
    'track_input',
]
