"""Results of a tracked input as files: each is made in parts, one per chunk of pictures, and joined at the end."""

from minimal_hand_core.offline.outputs.create import create_outputs
from minimal_hand_core.offline.outputs.output import Output

__all__ = ['Output', 'create_outputs']
