"""tracker.launch.py and the files in config/.

With launch_ros the launch description is evaluated for real. Without it the same file runs on stand-ins for the few
names it uses.
"""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from minimal_hand_ros import large_pictures, settings  # noqa: E402
from minimal_hand_ros.parameters import ParameterLoader  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILE = ROOT / 'launch' / 'tracker.launch.py'
CONFIG = ROOT / 'config'

LOADERS = {
    'camera_node': settings.load_camera_settings,
    'keypoint_node': settings.load_keypoint_settings,
    'shape_server': settings.load_shape_settings,
    'ik_node': settings.load_ik_settings,
    'tracker': settings.load_tracker_settings,
    'retarget': settings.load_retarget_settings,
    'viewer': settings.load_viewer_settings,
    'recorder': settings.load_recorder_settings,
}


def load_launch_file() -> ModuleType:
    spec = spec_from_file_location('tracker_launch', LAUNCH_FILE)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Context:
    """As much of a LaunchContext as the launch file uses; written are the arguments on the command line."""

    def __init__(self, written: dict[str, str], **others: str) -> None:
        self.argv = [f'{name}:={value}' for name, value in written.items()]
        self.launch_configurations = {**others, **written}


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much of launch and launch_ros as the launch file uses."""

    class Recorded(SimpleNamespace):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(args=args, **options)

    class LaunchConfiguration(Recorded):
        def perform(self, context: Context) -> str:
            return context.launch_configurations[self.args[0]]

    modules = {
        'launch': {'LaunchDescription': Recorded},
        'launch.actions': {'DeclareLaunchArgument': Recorded, 'OpaqueFunction': Recorded},
        'launch.logging': {'get_logger': logging.getLogger},
        'launch.substitutions': {'LaunchConfiguration': LaunchConfiguration},
        'launch_ros': {},
        'launch_ros.actions': {'Node': Recorded},
        'launch_ros.parameter_descriptions': {'ParameterValue': Recorded},
        'ament_index_python': {},
        'ament_index_python.packages': {'get_package_share_directory': lambda name: str(ROOT)},
    }
    for name, contents in modules.items():
        module = ModuleType(name)
        module.__dict__.update(contents)
        monkeypatch.setitem(__import__('sys').modules, name, module)


def launched(arguments: dict[str, str], **others: str) -> list[SimpleNamespace]:
    """Node stand-ins for these launch arguments; others are launch configurations that nobody has written."""
    description = load_launch_file().generate_launch_description()
    *declared, nodes = description.args[0]
    assert all(argument.description for argument in declared)
    defaults = {argument.args[0]: argument.default_value for argument in declared}
    return nodes.function(Context(arguments, **defaults, **others))


def started(arguments: dict[str, str], **others: str) -> dict[str, SimpleNamespace]:
    """Executable → Node stand-in, as `launched`."""
    return {node.executable: node for node in launched(arguments, **others)}


def test_both_hands_have_their_nodes_each(stand_ins: None) -> None:
    nodes = {node.name: node for node in launched({'side': 'both', 'mirrored': 'true'})}
    assert list(nodes) == [
        'camera_node',
        'keypoint_node',
        'right_shape_server',
        'left_shape_server',
        'right_ik_node',
        'left_ik_node',
    ]
    assert nodes['keypoint_node'].parameters[1]['side'].args == ('both',)
    assert nodes['keypoint_node'].parameters[1]['mirrored'].args == (True,)
    assert nodes['camera_node'].parameters[1]['side'].args == ('right',)
    section, given = nodes['left_ik_node'].parameters
    assert section['filter'] == 'one_euro' and given['side'].args == ('left',)
    assert ('hand/keypoints', 'left_hand/keypoints') in nodes['left_ik_node'].remappings
    assert ('calibrate', 'right_hand/calibrate') in nodes['right_shape_server'].remappings


def test_four_nodes_and_a_camera(stand_ins: None) -> None:
    nodes = started({'source': '0', 'side': 'left', 'hand_length': '0.09'})
    assert list(nodes) == ['camera_node', 'keypoint_node', 'shape_server', 'ik_node']
    config, camera = nodes['camera_node'].parameters
    assert Path(config) == CONFIG / 'tracker.yaml'
    assert camera['source'].args == ('0',) and camera['source'].value_type is str
    assert 'frame_id' not in camera
    assert nodes['shape_server'].parameters[1]['hand_length'] == 0.09
    assert all(node.parameters[1]['side'].args == ('left',) for node in nodes.values())


@pytest.mark.parametrize(
    ('distribution', 'name'),
    [
        ('', 'FASTDDS_DEFAULT_PROFILES_FILE'),
        ('kilted', 'FASTDDS_DEFAULT_PROFILES_FILE'),
        ('jazzy', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('humble', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
    ],
)
def test_the_camera_has_shared_memory_for_its_pictures(
    stand_ins: None, monkeypatch: pytest.MonkeyPatch, distribution: str, name: str
) -> None:
    monkeypatch.setenv('ROS_DISTRO', distribution)
    for either in (large_pictures.VARIABLE, large_pictures.OLD_VARIABLE):
        monkeypatch.delenv(either, raising=False)
    environment = started({'source': '0'})['camera_node'].additional_env
    assert list(environment) == [name] and Path(environment[name]).is_file()
    monkeypatch.setenv(large_pictures.OLD_VARIABLE, '/my/own.xml')
    assert started({'source': '0'})['camera_node'].additional_env == {}


@pytest.mark.parametrize(('composed', 'executable'), [('false', 'shape_server'), ('true', 'tracker')])
def test_arguments_of_a_group_become_dotted_parameters(stand_ins: None, composed: str, executable: str) -> None:
    nodes = started({'composed': composed, 'shape_method': 'network', 'shape_weights': '/some/file.safetensors'})
    parameters = nodes[executable].parameters[1]
    assert parameters['shape.method'].args == ('network',)
    assert parameters['shape.weights'].args == ('/some/file.safetensors',)


@pytest.mark.parametrize(('composed', 'executable'), [('false', 'ik_node'), ('true', 'tracker')])
def test_the_pose_method_is_an_argument(stand_ins: None, composed: str, executable: str) -> None:
    nodes = started({'composed': composed, 'pose_method': 'iknet', 'pose_weights': '/some/file.safetensors'})
    parameters = nodes[executable].parameters[1]
    assert parameters['pose.method'].args == ('iknet',)
    assert parameters['pose.weights'].args == ('/some/file.safetensors',)
    assert not [name for name in started({})['keypoint_node'].parameters[1] if name.startswith('pose')]


@pytest.mark.parametrize('composed', ['false', 'true'])
def test_what_is_not_given_is_left_to_the_parameter_file(stand_ins: None, composed: str) -> None:
    told = {name: set(node.parameters[1]) for name, node in started({'composed': composed}).items()}
    assert told.pop('camera_node') == {'source', 'side'}
    assert told and all(names == {'side'} for names in told.values())
    rviz = started({'composed': composed, 'rviz': 'true', 'config': '/my.yaml'})['rviz2']
    assert rviz.parameters == ['/my.yaml'], 'which may say use_sim_time for all'
    assert rviz.arguments[2:] == []


@pytest.mark.parametrize('composed', ['false', 'true'])
@pytest.mark.parametrize('pictures', [{'source': '0'}, {'image_topic': '/image'}])
def test_the_frame_of_the_camera_is_one_for_all(stand_ins: None, composed: str, pictures: dict[str, str]) -> None:
    nodes = started({'composed': composed, 'camera_frame': 'eye', **pictures})
    last = 'tracker' if composed == 'true' else 'ik_node'
    assert nodes[last].parameters[1]['camera_frame'].args == ('eye',)
    if 'source' in pictures:
        assert nodes['camera_node'].parameters[1]['frame_id'].args == ('eye',)


def test_composed_without_a_camera(stand_ins: None) -> None:
    assert list(started({'source': '', 'composed': 'true'})) == ['tracker']


EVERY_NODE = [{'composed': 'true'}, {'composed': 'false'}, {'side': 'both'}]


@pytest.mark.parametrize('arguments', EVERY_NODE)
def test_pictures_of_another_driver_take_the_place_of_the_camera(stand_ins: None, arguments: dict) -> None:
    nodes = started({'image_topic': '/eye/color/image_raw', 'rviz': 'true', **arguments})
    assert 'camera_node' not in nodes and len(nodes) >= 2
    for name, node in nodes.items():
        topics = dict(node.remappings)
        assert topics['image_raw'] == '/eye/color/image_raw', name
        assert topics['image_raw/compressed'] == '/eye/color/image_raw/compressed'
        assert topics['camera_info'] == '/eye/color/camera_info'
        assert 'depth/image_raw' not in topics
    if arguments.get('side') == 'both':
        assert ('hand/markers', 'left_hand/markers') in nodes['ik_node'].remappings


@pytest.mark.parametrize(
    ('given', 'info'),
    [
        ({'image_topic': 'picture'}, 'camera_info'),
        ({'image_topic': 'picture', 'camera_info_topic': '/k'}, '/k'),
        ({'image_topic': '/picture'}, '/camera_info'),
        ({'camera_info_topic': '/k', 'source': ''}, '/k'),
    ],
)
def test_intrinsics_are_beside_the_pictures_or_where_they_are_said_to_be(
    stand_ins: None, given: dict, info: str
) -> None:
    topics = dict(started(given)['keypoint_node'].remappings)
    assert topics.get('camera_info', 'camera_info') == info
    assert topics.get('image_raw') == given.get('image_topic')


@pytest.mark.parametrize(('composed', 'executable'), [('false', 'ik_node'), ('true', 'tracker')])
def test_depth_of_another_driver(stand_ins: None, composed: str, executable: str) -> None:
    arguments = {'image_topic': '/i', 'depth': 'registered', 'depth_topic': '/aligned', 'composed': composed}
    node = started(arguments)[executable]
    assert node.parameters[1]['depth'].args == ('registered',)
    assert dict(node.remappings)['depth/image_raw'] == '/aligned'


@pytest.mark.parametrize('arguments', EVERY_NODE)
def test_all_take_their_time_from_the_bag(stand_ins: None, arguments: dict) -> None:
    nodes = started({'use_sim_time': 'true', 'rviz': 'true', 'retarget': '', **arguments})
    for name, node in nodes.items():
        flag = node.parameters[-1]['use_sim_time']
        assert flag.args == (True,) and flag.value_type is bool, name
    assert started({'use_sim_time': 'false'})['ik_node'].parameters[-1]['use_sim_time'].args == (False,)


def test_a_robot_is_driven_where_there_is_a_file_for_it(stand_ins: None) -> None:
    assert 'retarget' not in started({})
    for composed in ('false', 'true'):
        node = started({'composed': composed, 'side': 'left', 'retarget': '/some/robot.yaml'})['retarget']
        config, parameters = node.parameters
        assert Path(config) == CONFIG / 'tracker.yaml'
        assert parameters['config'].args == ('/some/robot.yaml',) and parameters['side'].args == ('left',)
        own = {'model': 'MANO_LEFT.pkl', 'hand_length': '0.09', 'composed': composed, 'retarget': '/some/robot.yaml'}
        parameters = started(own)['retarget'].parameters[1]
        assert parameters['model'].args == ('MANO_LEFT.pkl',) and parameters['hand_length'] == 0.09
    with pytest.raises(ValueError, match="'retarget' is for one hand: give side right or left"):
        started({'side': 'both', 'retarget': '/some/robot.yaml'})


@pytest.mark.parametrize(('given', 'expected'), [('true', True), ('false', False)])
def test_every_node_is_told_whether_to_start(stand_ins: None, given: str, expected: bool) -> None:
    for composed in ('true', 'false'):
        for node in started({'autostart': given, 'composed': composed}).values():
            flag = node.parameters[1]['autostart']
            assert flag.args == (expected,) and flag.value_type is bool, node.executable


@pytest.mark.parametrize(('composed', 'executable'), [('false', 'keypoint_node'), ('true', 'tracker')])
def test_the_picture_subscription_is_an_argument(stand_ins: None, composed: str, executable: str) -> None:
    nodes = started({'composed': composed, 'transport': 'auto', 'reliability': 'best_effort'})
    parameters = nodes[executable].parameters[1]
    assert parameters['transport'].args == ('auto',) and parameters['reliability'].args == ('best_effort',)


def test_recording_is_an_argument(stand_ins: None) -> None:
    assert 'recorder' not in started({})
    recorder = started({'record': 'hand.mcap', 'side': 'both'})['recorder']
    assert recorder.parameters[1]['record'].args == ('hand.mcap',) and recorder.parameters[1]['side'].args == ('both',)
    # for its button
    assert 'record' not in started({'viewer': 'true'})['recorder'].parameters[1]


def test_the_view_in_the_browser_is_started_when_asked_for(stand_ins: None) -> None:
    assert 'viewer' not in started({})
    nodes = started({'viewer': 'true', 'side': 'both', 'model': 'MANO_RIGHT.pkl'})
    config, given = nodes['viewer'].parameters
    assert Path(config) == CONFIG / 'tracker.yaml'
    assert given['side'].args == ('both',) and given['model'].args == ('MANO_RIGHT.pkl',)


def test_rviz_comes_with_its_configuration(stand_ins: None) -> None:
    arguments = started({'rviz': 'true', 'camera_frame': 'eye'})['rviz2'].arguments
    assert arguments[0] == '-d' and Path(arguments[1]).is_file()
    assert arguments[2:] == ['-f', 'eye'], 'RViz has to show things in the frame of the pictures'


STRANGERS = {
    'pictures': ': it is a parameter of recorder, give it in the file of config:=',
    'keep_threshold': ': it is a parameter of keypoint_node and tracker, give it in the file of config:=',
    'pose.limits': ': it is a parameter of ik_node and tracker, give it in the file of config:=',
    'pose.method': "; did you mean 'pose_method'?",
    'mirored': "; did you mean 'mirrored'?",
    'zebra': '; --show-args lists them',
}


@pytest.mark.parametrize('config', ['', '/my.yaml'])
def test_what_is_no_launch_argument_is_told(stand_ins: None, caplog: pytest.LogCaptureFixture, config: str) -> None:
    started({**dict.fromkeys(STRANGERS, 'x'), 'config': config})
    begin = 'is not one of tracker.launch.py and is ignored'
    assert sorted(caplog.messages) == sorted(
        f'launch argument {name!r} {begin}{hint}' for name, hint in STRANGERS.items()
    )


def test_of_another_launch_file_only_what_is_meant_for_our_nodes_is_told(
    stand_ins: None, caplog: pytest.LogCaptureFixture
) -> None:
    started({'side': 'left'}, robot='arm', ros_namespace='/front', global_params='', ros_remaps='')
    assert not caplog.messages
    started({}, robot='arm', host='0.0.0.0')
    assert len(caplog.messages) == 1 and 'it is a parameter of viewer' in caplog.text


SECTIONS = """
/**:
  ros__parameters: {threads: 2, autostart: false}
/**/ik_node:
  ros__parameters: {threads: 3, pose: {limits: false}, filter: none}
/back/ik_node:
  ros__parameters: {filter: kalman, marker_rate: 1.0}
front:
  ik_node:
    ros__parameters: {marker_rate: 2.0}
  left_ik_node:
    ros__parameters: {marker_rate: 3.0}
ik_node:
  ros__parameters: {marker_rate: 4.0}
/*/shape_server:
  ros__parameters: {calibration_frames: 9}
/**/tracker:
/**/shape_server:
  ros__parameters:
"""
COMMON = {'threads': 3, 'autostart': False, 'pose.limits': False}


@pytest.mark.parametrize(
    ('namespace', 'right', 'left'),
    [
        ('', {'filter': 'none', 'marker_rate': 4.0}, {}),
        ('/back', {'filter': 'kalman', 'marker_rate': 1.0}, {}),
        ('front', {'filter': 'none', 'marker_rate': 2.0}, {'marker_rate': 3.0}),
        ('/else/where', {'filter': 'none'}, {}),
    ],
)
def test_each_of_both_hands_has_the_sections_that_hold_for_it(
    stand_ins: None, tmp_path: Path, namespace: str, right: dict, left: dict
) -> None:
    config = tmp_path / 'my.yaml'
    config.write_text(SECTIONS)
    named = {'ros_namespace': namespace} if namespace else {}
    nodes = {node.name: node for node in launched({'side': 'both', 'config': str(config)}, **named)}
    assert nodes['right_ik_node'].parameters[0] == {**COMMON, **right}
    assert nodes['left_ik_node'].parameters[0] == {**COMMON, **right, **left}
    frames = {'calibration_frames': 9} if namespace in ('/back', 'front') else {}
    assert nodes['left_shape_server'].parameters[0] == {'threads': 2, 'autostart': False, **frames}


@pytest.mark.parametrize('arguments', [{'image_topic': '/eye/image_raw'}, {'source': ''}])
def test_a_calibration_that_would_reach_no_node_is_refused(stand_ins: None, arguments: dict) -> None:
    assert started({'camera_info': 'my.yaml'})['camera_node'].parameters[1]['camera_info'].args == ('my.yaml',)
    with pytest.raises(ValueError, match="launch argument 'camera_info' is for a source, .* beside image_topic"):
        started({'camera_info': 'my.yaml', **arguments})


def test_an_argument_that_cannot_be_is_named(stand_ins: None) -> None:
    with pytest.raises(ValueError, match="'composed' is 'perhaps': give true or false"):
        started({'composed': 'perhaps'})
    with pytest.raises(ValueError, match="'hand_length' is 'long': give a number"):
        started({'hand_length': 'long'})


@pytest.mark.skipif(find_spec('launch_ros') is None, reason='launch_ros is not installed: it comes with ROS 2')
@pytest.mark.parametrize('composed', ['false', 'true'])
def test_with_the_real_launch_ros(composed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ament_index_python import packages
    from launch_ros.utilities import evaluate_parameters

    from launch import LaunchContext

    monkeypatch.setattr(packages, 'get_package_share_directory', lambda name: str(ROOT))
    description = load_launch_file().generate_launch_description()
    context = LaunchContext()
    context.launch_configurations.update(composed=composed, source='0', rviz='true')
    *declared, nodes = description.entities
    for argument in declared:
        argument.execute(context)
    started = {node.node_executable: node for node in nodes.execute(context)}
    stages = ['tracker'] if composed == 'true' else ['keypoint_node', 'shape_server', 'ik_node']
    assert list(started) == ['camera_node', *stages, 'rviz2']
    camera = started['camera_node']
    parameters = evaluate_parameters(context, camera._Node__parameters)
    assert parameters[1]['source'] == '0', 'a webcam index must reach the node as a text'


@pytest.mark.skipif(find_spec('launch_ros') is None, reason='launch_ros is not installed: it comes with ROS 2')
def test_sections_and_strangers_with_the_real_launch_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    from ament_index_python import packages
    from launch_ros.utilities import evaluate_parameters

    from launch import LaunchContext

    monkeypatch.setattr(packages, 'get_package_share_directory', lambda name: str(ROOT))
    module = load_launch_file()
    warned: list[str] = []
    monkeypatch.setattr(module, 'get_logger', lambda name: SimpleNamespace(warning=warned.append))
    context = LaunchContext(argv=['side:=both', 'pictures:=raw'])
    context.launch_configurations.update(side='both', pictures='raw')
    *declared, nodes = module.generate_launch_description().entities
    for argument in declared:
        argument.execute(context)
    started = {node.node_executable: node for node in nodes.execute(context)}
    section, _ = evaluate_parameters(context, started['ik_node']._Node__parameters)
    assert section['depth'] == 'off' and section['camera_frame'] == '' and section['pose.limits'] is True
    assert len(warned) == 1 and "'pictures'" in warned[0]


def declared_parameters(node: rclpy.node.Node) -> set[str]:
    return set(node._parameters) - {'use_sim_time', 'start_type_description_service'}


def dotted(tree: dict, prefix: str = '') -> dict[str, object]:
    """Parameter names as ROS spells them: {'shape': {'method': 'lm'}} → {'shape.method': 'lm'}."""
    flat = {}
    for name, value in tree.items():
        flat |= dotted(value, f'{prefix}{name}.') if isinstance(value, dict) else {prefix + name: value}
    return flat


def nodes_of(names: Iterable[str]) -> Iterator[tuple[str, rclpy.node.Node]]:
    """Each name and a node with the parameters that the node of that name declares."""
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        for name in names:
            node = rclpy.create_node(name, context=context)
            LOADERS[name](ParameterLoader(node))
            yield name, node
            node.destroy_node()
    finally:
        rclpy.shutdown(context=context)


def test_what_is_in_one_section_is_in_those_of_all_nodes_that_have_it() -> None:
    content = yaml.safe_load((CONFIG / 'tracker.yaml').read_text())
    sections = {name.removeprefix('/**/'): set(dotted(entry['ros__parameters'])) for name, entry in content.items()}
    told = set().union(*sections.values())
    for name, node in nodes_of(sections):
        assert not (declared_parameters(node) & told) - sections[name], f'section {name} lacks them'


def test_parameter_file_holds_the_defaults() -> None:
    content = yaml.safe_load((CONFIG / 'tracker.yaml').read_text())
    content = {name.removeprefix('/**/'): entry for name, entry in content.items()}
    assert set(content) == set(LOADERS)
    for name, node in nodes_of(content):
        for parameter, value in dotted(content[name]['ros__parameters']).items():
            assert parameter in declared_parameters(node), f'{name} has no parameter {parameter}'
            assert value == node.get_parameter(parameter).value, f'{name}: {parameter}'


@pytest.mark.parametrize('namespace', ['', '/left_eye', '/robot/head'])
def test_parameter_file_counts_in_every_namespace(namespace: str) -> None:
    context = rclpy.Context()
    rclpy.init(args=['--ros-args', '--params-file', str(CONFIG / 'tracker.yaml')], context=context)
    try:
        node = rclpy.create_node('tracker', namespace=namespace, context=context)
        assert node._parameter_overrides['search_windows'].value == 3
        assert 'rate' not in node._parameter_overrides, 'that is of other nodes'
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)


def test_shared_memory_segment_is_larger_than_a_picture() -> None:
    tree = ElementTree.parse(CONFIG / 'fastdds_large_images.xml')
    sizes = [int(element.text) for element in tree.iter('{http://www.eprosima.com}segment_size')]
    assert sizes and min(sizes) > 4 * 640 * 480 * 3
