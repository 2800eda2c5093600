"""Parameters of viewer."""

from __future__ import annotations

from dataclasses import dataclass

from minimal_hand_ros.parameters import ParameterLoader
from minimal_hand_ros.settings.common import load_model, load_sides


@dataclass(frozen=True)
class ViewerSettings:
    """Settings of viewer.

    Attributes:
        side: 'right', 'left' or 'both'.
        model: hand model, that of the tracker.
        host: interface to serve on.
        port: 0 = the first free one from 8080 on.
        rate: Hz, the view is drawn anew at most so often.
        picture_rate: Hz, the camera's picture at most so often; 0 = never.
        lost_timeout: seconds without a pose until a hand is taken away.
    """

    side: str
    model: str
    host: str
    port: int
    rate: float
    picture_rate: float
    lost_timeout: float


def load_viewer_settings(load: ParameterLoader) -> ViewerSettings:
    """The parameters of viewer."""
    return ViewerSettings(
        side=load_sides(load),
        model=load_model(load),
        host=load.text(
            'host',
            '127.0.0.1',
            'interface to serve on; 0.0.0.0: whoever reaches this machine may see the pictures and turn the knobs',
            may_be_empty=False,
        ),
        port=load.integer('port', 8080, 0, 65535, 'port to serve on; 0: the first free one from 8080 on'),
        rate=load.number('rate', 20.0, 1.0, 60.0, 'Hz, the view is drawn anew at most so often'),
        picture_rate=load.number(
            'picture_rate', 10.0, 0.0, 60.0, "Hz, the camera's picture at most so often; 0: no picture", live=True
        ),
        lost_timeout=load.number(
            'lost_timeout', 1.0, 0.1, 60.0, 'seconds without a pose until a hand is taken out of the view', live=True
        ),
    )
