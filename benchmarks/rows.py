"""The rows of the benchmark table and what each has to reach."""

from __future__ import annotations

from typing import NamedTuple


class Goal(NamedTuple):
    """What a row has to reach.

    Attributes:
        ratio: the peer's time over ours is at least this; None where there is no peer.
        seconds: our time is at most this; None where only the ratio counts.
        peer: the row whose peer is meant, where it is not this one.
    """

    ratio: float | None = None
    seconds: float | None = None
    peer: str | None = None


BY_THE_CLOCK = 'by the clock'
"""In the name of every group whose work is spread over several cores: the processor's time would be the sum of them."""
MEDIAPIPE = {
    (
        mode,
        cores,
    ): f'tracker beside MediaPipe Hands, {mode}, {"one core" if cores == 1 else f"two cores {BY_THE_CLOCK}"}'
    for mode in ('video', 'stills')
    for cores in (1, 2)
}
"""How pictures are given, and on how many cores → group; measured by `mediapipe_hands`, on request."""
TWO_THREADS = f'two threads {BY_THE_CLOCK}'
RESNET50, SMALL = 'DetNet resnet50, one crop', 'DetNet small, one crop'
TRACKER = 'tracker without ROS, one 640×480 picture'

ROWS: dict[str, Goal] = {
    'LM shape fit, one hand': Goal(ratio=1000, seconds=1e-3),
    'PSO shape fit, one hand': Goal(ratio=20),
    'shape network, one hand': Goal(),
    'AIK, one hand': Goal(ratio=5),
    'AIK, 1,000 hands, per hand': Goal(ratio=500, peer='AIK, one hand'),
    'AIK within joint limits, one hand': Goal(peer='AIK, one hand'),
    'AIK within joint limits, 1,000 hands, per hand': Goal(peer='AIK, one hand'),
    'IKNet, one hand': Goal(),
    'IKNet, 1,000 hands, per hand': Goal(),
    'hand model, one hand': Goal(ratio=5, seconds=0.5e-3),
    'hand model, one hand, rotation matrices': Goal(ratio=5, seconds=0.5e-3),
    "hand model of MANO's size, one hand": Goal(ratio=5, seconds=0.5e-3),
    'keypoints and their gradient, 64 hands': Goal(),
    RESNET50: Goal(ratio=4),
    f'{RESNET50}, {TWO_THREADS}': Goal(ratio=4),
    SMALL: Goal(ratio=20, peer=RESNET50),
    f'{SMALL}, {TWO_THREADS}': Goal(ratio=20, peer=f'{RESNET50}, {TWO_THREADS}'),
    TRACKER: Goal(seconds=20e-3),
    f'{TRACKER}, {TWO_THREADS}': Goal(seconds=20e-3),
    **{group: Goal(ratio=1) if mode == 'video' else Goal() for (mode, _), group in MEDIAPIPE.items()},
    'synthetic hands, one picture': Goal(seconds=1 / 300),
    'labelled training crop': Goal(ratio=5),
    'labelled training crop, native pictures': Goal(peer='labelled training crop'),
    'PCK AUC, 10,000 × 21 errors': Goal(seconds=0.5),
    'Procrustes alignment, 10,000 hands': Goal(seconds=0.5),
    '10,000 stored predictions, read and scored by all protocols': Goal(seconds=2.0),
    'biomechanical loss and gradient, 32 hands': Goal(),
    'One-Euro filter, 21 keypoints': Goal(),
    'Kalman filter, 21 keypoints': Goal(),
}
"""Group of the benchmarks → goal, in the order of the table."""
