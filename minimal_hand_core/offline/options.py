"""What is to be done with a recorded input, in one frozen dataclass: all that the results depend on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from minimal_hand_core.data.calibration import camera_from_field_of_view, load_calibration
from minimal_hand_core.hand.skeleton import SIDES
from minimal_hand_core.tracking import HandTrackerConfig

BOTH = 'both'
OUTPUTS = ('npz', 'csv', 'mp4', 'mcap')
"""Files that can be written, by the ends of their names."""
MESH_FORMATS = ('obj', 'glb')
MESH_PICTURES = ('all', 'best')
CHUNK = 300
"""Pictures from one state that can be taken up again to the next; a few seconds of work."""


class OfflineError(ValueError):
    """An input cannot be tracked, or results cannot be written there; says what, why and what would do."""


@dataclass(frozen=True)
class TrackOptions:
    """What is tracked, and what is written.

    Attributes:
        tracker: settings of the tracker; its side is not used; one other than the default must not contradict `side`.
        side: 'right', 'left' or 'both'.
        camera_info: calibration file as ROS camera_calibration writes it; '' = that of the recording, or else `fov`.
        fov: horizontal field of view in degrees that is assumed where nothing tells the intrinsics; 0 = none is, and
            hands are relative to their wrists.
        rate: pictures per second of a folder; of a video, 0 = as it says itself.
        topic, camera_info_topic: of a recording; '' = the only one there is, and the one that belongs to it.
        rectified: the recording's pictures are: of its camera info p counts, not k and the distortion.
        outputs: of OUTPUTS, in that order.
        pictures: put the pictures into the MCAP file, as JPEG.
        jpeg_quality: of those, 1…100.
        meshes: '' for none, or one of MESH_FORMATS.
        mesh_pictures: 'all', or 'best' for the one with the highest score.
        chunk: pictures after which the state is written.

    Raises:
        OfflineError: a value out of its range, named, or two sides that contradict each other.
        CameraError: a calibration file that cannot be read, a field of view that no camera has.
    """

    tracker: HandTrackerConfig = field(default_factory=HandTrackerConfig)
    side: str = 'right'
    camera_info: str = ''
    fov: float = 60.0
    rate: float = 0.0
    topic: str = ''
    camera_info_topic: str = ''
    rectified: bool = False
    outputs: tuple[str, ...] = OUTPUTS
    pictures: bool = False
    jpeg_quality: int = 90
    meshes: str = ''
    mesh_pictures: str = 'all'
    chunk: int = CHUNK

    def __post_init__(self) -> None:
        _check('side', self.side, (*SIDES, BOTH))
        if self.tracker.side not in (*self.sides, HandTrackerConfig.side):
            raise OfflineError(
                f"side is {self.side!r}, but the tracker's settings say {self.tracker.side!r}: "
                f'give side={self.tracker.side!r}'
            )
        for output in self.outputs:
            _check('output', output, OUTPUTS)
        _check('meshes', self.meshes, ('', *MESH_FORMATS))
        _check('mesh pictures', self.mesh_pictures, MESH_PICTURES)
        if not self.outputs and not self.meshes:
            raise OfflineError(f'no output is asked for: give one of {", ".join(OUTPUTS)}, or meshes')
        if not 0 <= self.rate <= 1000:
            raise OfflineError(f'rate is {self.rate}; give pictures per second, up to 1000, or 0')
        if not 1 <= self.jpeg_quality <= 100:
            raise OfflineError(f'jpeg_quality is {self.jpeg_quality}; give 1…100')
        if self.chunk < 1:
            raise OfflineError(f'chunk is {self.chunk}; give 1 picture or more')
        if self.camera_info:
            load_calibration(self.camera_info)
        elif self.fov:
            camera_from_field_of_view(640, 480, self.fov)

    @property
    def sides(self) -> tuple[str, ...]:
        """The hands that are tracked."""
        return SIDES if self.side == BOTH else (self.side,)

    def plain(self) -> dict[str, Any]:
        """All of it as JSON has it, flat: {'side': 'right', 'tracker.filter': 'one_euro', …}."""
        flat: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                flat |= {f'{name}.{inner}': each for inner, each in value.items()}
            else:
                flat[name] = list(value) if isinstance(value, tuple) else value
        return flat


def _check(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        given = ', '.join(choice or "''" for choice in choices)
        raise OfflineError(f'{name} is {value!r}; give one of {given}')
