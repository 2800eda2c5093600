"""In which axes a network says its xyz: those it was taught in.

`view`: of the view along the crop's centre. A crop does not show where in the picture it was, so this is all that can
be seen in it, and what our recipes teach. `camera`: of the camera, as the peers teach (here the recipe `paper`).
"""

from __future__ import annotations

from typing import Any

VIEW, CAMERA = 'view', 'camera'
AXES = (VIEW, CAMERA)


def axes_of(network: Any) -> str:
    """The axes of a DetNet's or an engine's xyz; one that does not say is taken for one of ours."""
    return str(getattr(network, 'axes', VIEW))
