"""Follows the hand in a clip and times every picture: ours or MediaPipe's, each in the environment it needs.

    python benchmarks/clip_worker.py CLIP.npz {ours,full,lite} {video,stills} CORES

Reads the clip, binds itself to the first CORES cores, follows the hand through it once to warm up, and prints a line of
JSON, {"engine": …}. From then on each line on standard input asks for one more turn through the clip, answered by
{"wall": [s], "cpu": [s], "found": pictures, "error": [share]}: seconds of each picture by the clock and of the
processor (all threads), and how far the 21 keypoints lie from the truth on average, in longer sides of the hand's box.

It imports nothing of this project unless it is asked for ours, so that it runs in MediaPipe's environment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

RATE = 30.0
Find = Callable[[object, float], object]
"""Picture (H, W, 3) uint8 in the order of colours the method wants, seconds → keypoints (21, 2) in pixels, or None."""


def ours(clip, stills: bool) -> tuple[Find, str]:
    """Our tracker as it comes, from the picture to the metric hand; BGR."""
    import numpy as np

    from minimal_hand_core.inference import create_engine
    from minimal_hand_core.tracking import CameraModel, HandTracker, HandTrackerConfig

    engine = create_engine()
    tracker = HandTracker(HandTrackerConfig(), engine)
    height, width = clip['images'].shape[1:3]
    camera = CameraModel(width, height, clip['intrinsics'], np.zeros(0))

    def find(image, stamp):
        if stills:
            tracker.reset()
        state = tracker.track(image, stamp, camera)
        return None if state is None else state.uv

    return find, engine.description


def mediapipe(clip, stills: bool, complexity: int) -> tuple[Find, str]:
    """MediaPipe Hands for one hand, its thresholds as they come; RGB."""
    import mediapipe
    import numpy as np

    hands = mediapipe.solutions.hands.Hands(static_image_mode=stills, max_num_hands=1, model_complexity=complexity)
    height, width = clip['images'].shape[1:3]

    def find(image, stamp):
        found = hands.process(image).multi_hand_landmarks
        if not found:
            return None
        # Its coordinates are shares of the picture, from the outer edges of the pixels.
        return np.array([(point.x * width - 0.5, point.y * height - 0.5) for point in found[0].landmark])

    return find, f'mediapipe {mediapipe.__version__}'


def turn(find: Find, images, truth, start: float) -> dict[str, object]:
    """Once through the clip."""
    import numpy as np

    wall, cpu, errors = [], [], []
    for i, image in enumerate(images):
        clock, processor = time.perf_counter(), time.process_time()
        points = find(image, start + i / RATE)
        cpu.append(time.process_time() - processor)
        wall.append(time.perf_counter() - clock)
        if points is not None:
            apart = np.linalg.norm(points - truth[i], axis=1).mean()
            errors.append(float(apart / np.ptp(truth[i], axis=0).max()))
    return {'wall': wall, 'cpu': cpu, 'found': len(errors), 'error': errors}


def main(path: str, method: str, mode: str, cores: str) -> None:
    """See above."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: int(cores)]))
    for variable in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'NUMBA_NUM_THREADS'):
        os.environ[variable] = cores
    import numpy as np

    # Whatever a library prints must not stand between the lines of JSON.
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    with np.load(path) as file:
        clip = dict(file)
    if method == 'ours':
        find, engine = ours(clip, mode == 'stills')
        images = clip['images']
    else:
        find, engine = mediapipe(clip, mode == 'stills', ('lite', 'full').index(method))
        images = np.ascontiguousarray(clip['images'][..., ::-1])
    turn(find, images, clip['keypoints_px'], 0.0)
    print(json.dumps({'engine': engine}), file=answers, flush=True)
    for turns, _ in enumerate(sys.stdin, 1):
        found = turn(find, images, clip['keypoints_px'], turns * len(images) / RATE)
        print(json.dumps(found), file=answers, flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
