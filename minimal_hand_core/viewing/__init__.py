"""The tracked hand in a web browser: what is shown and how, and the controls beside it; no ROS.

`Viewer` needs viser (extra [viewer]); everything else here does without it.
"""

from minimal_hand_core.viewing.address import ViewerError, is_loopback
from minimal_hand_core.viewing.events import Calibrate, Enable, Event, Record, SetParameter
from minimal_hand_core.viewing.knobs import KNOBS, Knob
from minimal_hand_core.viewing.skin_parts import SkinPart, skin_parts
from minimal_hand_core.viewing.status import HandStatus, status_html
from minimal_hand_core.viewing.viewer import Viewer

__all__ = [
    'KNOBS',
    'Calibrate',
    'Enable',
    'Event',
    'HandStatus',
    'Knob',
    'Record',
    'SetParameter',
    'SkinPart',
    'Viewer',
    'ViewerError',
    'is_loopback',
    'skin_parts',
    'status_html',
]
