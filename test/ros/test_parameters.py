"""Reading parameters: every value that cannot be is an error that names parameter and value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError

import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.node import Node  # noqa: E402

from minimal_hand_core.tracking.config import RANGES  # noqa: E402
from minimal_hand_ros import settings  # noqa: E402
from minimal_hand_ros.parameters import FIXED, LIVE, NodeParameters, ParameterError, ParameterLoader  # noqa: E402

LOADERS = [
    settings.load_camera_settings,
    settings.load_keypoint_settings,
    settings.load_shape_settings,
    settings.load_ik_settings,
    settings.load_tracker_settings,
    settings.load_retarget_settings,
    settings.load_recorder_settings,
    settings.load_replay_settings,
    settings.load_viewer_settings,
]


@pytest.fixture
def make_node() -> Iterator[Callable[..., Node]]:
    context = rclpy.Context()
    rclpy.init(context=context)
    nodes = []

    def make(**values: object) -> Node:
        overrides = [rclpy.Parameter(name, value=value) for name, value in values.items()]
        nodes.append(rclpy.create_node('some_node', context=context, parameter_overrides=overrides))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize('load', LOADERS)
def test_defaults_are_valid_frozen_and_described(make_node: Callable[..., Node], load) -> None:
    node = make_node()
    loaded = load(ParameterLoader(node))
    with pytest.raises(FrozenInstanceError):
        loaded.side = 'left'
    for name in node._parameters:
        if name in ('use_sim_time', 'start_type_description_service'):
            continue
        descriptor = node.describe_parameter(name)
        assert descriptor.description, name
        assert (LIVE in descriptor.additional_constraints) != (FIXED in descriptor.additional_constraints), name
        if isinstance(node.get_parameter(name).value, (int, float)) and descriptor.type in (2, 3):
            assert descriptor.integer_range or descriptor.floating_point_range, name


@pytest.mark.parametrize(
    'load', [settings.load_keypoint_settings, settings.load_ik_settings, settings.load_tracker_settings]
)
def test_ranges_are_those_of_the_core(make_node: Callable[..., Node], load) -> None:
    node = make_node()
    load(ParameterLoader(node))
    declared = RANGES.keys() & node._parameters.keys() - {'hand_length', 'threads'}  # 0 is the model's; no 0 threads
    assert len(declared) > 3
    for name in declared:
        descriptor = node.describe_parameter(name)
        (found,) = descriptor.floating_point_range or descriptor.integer_range
        assert (found.from_value, found.to_value) == RANGES[name], name


@pytest.mark.parametrize(
    ('load', 'name', 'value', 'said'),
    [
        (settings.load_camera_settings, 'rate', -1.0, "'rate' is -1.0: give a number from 0 to 1000"),
        (settings.load_camera_settings, 'rate', 5000, "'rate' is 5000: give a number from 0 to 1000"),
        (settings.load_camera_settings, 'rate', 'fast', "'rate' is 'fast': give a number"),
        (settings.load_camera_settings, 'rate', float('nan'), "'rate' is nan"),
        (settings.load_camera_settings, 'loop', 'maybe', "'loop' is 'maybe': give true or false"),
        (settings.load_camera_settings, 'jpeg_quality', 101, "'jpeg_quality' is 101: give a .*number from 1 to 100"),
        (settings.load_camera_settings, 'jpeg_quality', 1.5, "'jpeg_quality' is 1.5: give a whole number"),
        (settings.load_camera_settings, 'frame_id', '', "'frame_id' is '': it must not be empty"),
        (settings.load_camera_settings, 'source', 1.5, "'source' is 1.5: give a text"),
        (settings.load_keypoint_settings, 'side', 'middle', "'side' is 'middle': give one of right, left"),
        (settings.load_keypoint_settings, 'backend', 'abacus', "'backend' is 'abacus': give one of auto, torch"),
        (
            settings.load_keypoint_settings,
            'transport',
            'pigeon',
            "'transport' is 'pigeon': give one of raw, compressed",
        ),
        (settings.load_keypoint_settings, 'reliability', 'some', "'reliability' is 'some'"),
        (settings.load_keypoint_settings, 'keep_threshold', 0.9, "'keep_threshold' is 0.9: .*enter_threshold"),
        (settings.load_keypoint_settings, 'threads', 0, "'threads' is 0"),
        (settings.load_shape_settings, 'hand_length', 0.001, "'hand_length' is 0.001"),
        (settings.load_shape_settings, 'hand_length', 90.0, "'hand_length' is 90.0"),
        (
            settings.load_shape_settings,
            'shape.method',
            'guess',
            "'shape.method' is 'guess': give one of lm, pso, network",
        ),
        (settings.load_tracker_settings, 'shape.method', 1, "'shape.method' is 1: give one of lm, pso, network"),
        (settings.load_shape_settings, 'shape.weights', '', "'shape.weights' is '': it must not be empty"),
        (settings.load_ik_settings, 'pose.method', 'guess', "'pose.method' is 'guess': give one of aik, iknet"),
        (settings.load_tracker_settings, 'pose.method', 1, "'pose.method' is 1: give one of aik, iknet"),
        (settings.load_ik_settings, 'pose.limits', 'yes', "'pose.limits' is 'yes': give true or false"),
        (settings.load_ik_settings, 'pose.weights', '', "'pose.weights' is '': it must not be empty"),
        (settings.load_ik_settings, 'lost_timeout', -0.1, "'lost_timeout' is -0.1"),
        (settings.load_ik_settings, 'pose.limits', 1, "'pose.limits' is 1: give true or false"),
        (settings.load_tracker_settings, 'model', '', "'model' is ''"),
    ],
)
def test_wrong_values(make_node: Callable[..., Node], load, name: str, value: object, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        load(ParameterLoader(make_node(**{name: value})))


def test_digits_are_good_for_numbers_and_texts(make_node: Callable[..., Node]) -> None:
    loaded = settings.load_camera_settings(ParameterLoader(make_node(rate=30, source=0)))
    assert loaded.rate == 30.0 and isinstance(loaded.rate, float)
    assert loaded.source == '0'


@pytest.mark.parametrize(
    'load', [settings.load_shape_settings, settings.load_ik_settings, settings.load_tracker_settings]
)
def test_what_yaml_makes_of_off_is_off(make_node: Callable[..., Node], load) -> None:
    assert load(ParameterLoader(make_node(depth=False))).depth.mode == 'off'
    assert ParameterLoader(make_node(light=True)).choice('light', 'off', ('on', 'off'), 'of the lamp') == 'on'
    with pytest.raises(ParameterError, match="'depth' is True: give one of off, registered"):
        load(ParameterLoader(make_node(depth=True)))


def test_unknown_names_are_told(make_node: Callable[..., Node]) -> None:
    load = ParameterLoader(make_node(siide='left', **{'qos_overrides./tf.publisher.depth': 3}))
    load.choice('side', 'right', ('right', 'left'), 'which hand')
    (warning,) = load.strangers()
    assert "'siide'" in warning and "did you mean 'side'" in warning


@pytest.mark.parametrize('load', [settings.load_ik_settings, settings.load_tracker_settings])
def test_the_pose_method_reaches_the_estimators_settings(make_node: Callable[..., Node], load) -> None:
    values = {'pose.method': 'iknet', 'pose.limits': False, 'pose.weights': '/some/file.safetensors'}
    pose = load(ParameterLoader(make_node(**values))).pose
    assert (pose.pose_method, pose.pose_limits, pose.pose_weights) == ('iknet', False, '/some/file.safetensors')
    default = load(ParameterLoader(make_node())).pose
    assert (default.pose_method, default.pose_limits, default.pose_weights) == ('aik', True, 'default')


@pytest.mark.parametrize('humble', [False, True])
def test_a_change_is_in_use_once_it_is_set(
    make_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch, humble: bool
) -> None:
    if humble:  # its nodes do not tell what has been set
        monkeypatch.delattr(Node, 'add_post_set_parameters_callback')
    node = make_node()
    changes: list[settings.KeypointSettings] = []
    parameters = NodeParameters(node, settings.load_keypoint_settings, lambda: True, changes.append)
    before = parameters.settings
    for name, value in (('keep_threshold', 0.99), ('side', 'left')):
        assert not node.set_parameters([rclpy.Parameter(name, value=value)])[0].successful
        assert parameters.settings is before and not changes
    assert node.set_parameters([rclpy.Parameter('search_windows', value=5)])[0].successful
    assert parameters.settings.detector.search_windows == 5
    assert changes == [parameters.settings] and node.get_parameter('search_windows').value == 5
