"""What a node has, asked of the node itself: it is made, configured and activated here, and never spun.

So topics, types and profiles are those that the code gives to rclpy, and parameters those that `ros2 param describe`
shows. What only some settings bring (VARIANTS) is added up. Descriptions are those of the head of the node's module,
which has to agree (node_heads). It takes some seconds, as networks are loaded.
"""

from __future__ import annotations

import importlib
import inspect
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
import rclpy.logging
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message

from minimal_hand_core.recording import RecordingWriter
from minimal_hand_ros import parameters as node_parameters
from minimal_hand_ros import qos
from minimal_hand_ros.diagnostics import TOPIC
from minimal_hand_ros.lifecycle import ManagedNode
from tools.reference.node_heads import PUBLISHES, SERVES, SUBSCRIBES, check, first_sentence, read_head

ROOT = Path(__file__).resolve().parents[2]
_NAMESPACE = '/there'
_DOMAIN = 101
"""Nobody is meant to hear these nodes."""
_QUICK: Mapping[str, object] = {'backend': 'torch'}
_RETARGET = {'config': str(ROOT / 'config' / 'retarget' / 'two_finger_gripper.yaml')}
VARIANTS: dict[str, tuple[dict[str, object], ...]] = {
    'keypoint_node': ({}, {'transport': 'compressed'}),
    'shape_server': ({'depth': 'registered'},),
    'ik_node': ({'depth': 'registered'},),
    'tracker': ({'depth': 'registered'}, {'transport': 'compressed'}),
    'retarget': ({**_RETARGET, 'feedback': True}, {**_RETARGET, 'input': 'joint_states'}),
    'recorder': (
        {'record': 'FOLDER/a.mcap', 'markers': True},
        {'record': 'FOLDER/b.mcap', 'pictures': 'raw'},
    ),
    'replay': ({'path': 'FOLDER/made.mcap'},),
    'viewer': ({'port': 0},),
}
"""Settings to try one after the other, by node, so that every topic is met; as it comes where nothing is said."""
_FOLDER = 'FOLDER'
WHILE_WATCHED = {'viewer': ('hand/pose', 'hand/keypoints', 'hand/shape', 'image_raw/compressed', 'image_raw')}
"""Topics that a node has only while somebody looks, whom there is not here; the head is believed."""


Entities = dict[str, dict[str, tuple[str, str]]]
"""Heading → name as in heads → (type, profile in words)."""


@dataclass(frozen=True)
class Parameter:
    """One parameter; allowed is a range or the choices in words, '' for anything of the type."""

    name: str
    type: str
    default: object
    allowed: str
    text: str
    live: bool


@dataclass(frozen=True)
class Topic:
    """One topic; profile in words."""

    type: str
    profile: str
    text: str


@dataclass
class NodeFacts:
    """All there is to know about a node; topics and services by name."""

    name: str
    does: str
    parameters: list[Parameter] = field(default_factory=list)
    subscribes: dict[str, Topic] = field(default_factory=dict)
    publishes: dict[str, Topic] = field(default_factory=dict)
    serves: dict[str, Topic] = field(default_factory=dict)


def node_class(module_name: str) -> type[ManagedNode] | None:
    """The node that a module is about; None where it is about something else."""
    module = importlib.import_module(module_name)
    for _, found in inspect.getmembers(module, inspect.isclass):
        if issubclass(found, ManagedNode) and found.__module__ == module_name:
            return found
    return None


def describe(name: str, made: type[ManagedNode]) -> NodeFacts:
    """All about the node of this executable.

    Raises:
        HeadError: the head of its module says something else.
    """
    docstring = inspect.getmodule(made).__doc__ or ''
    head = read_head(docstring)
    facts = NodeFacts(name, first_sentence(docstring))
    found: Entities = {SUBSCRIBES: {}, PUBLISHES: {}, SERVES: {}}
    with _ros() as options, tempfile.TemporaryDirectory() as folder:
        silent = made(**options, parameter_overrides=_overrides({'autostart': False}))
        facts.parameters = _parameters(silent)
        silent.destroy_node()
        ordinary = LifecycleNode('ordinary', **options)
        common = _entities(ordinary)
        ordinary.destroy_node()
        for entities in _variants(made, options, facts.parameters, _placed(name, folder)):
            for heading in found:
                # without those that rclpy gives to every node
                own = {key: value for key, value in entities[heading].items() if key not in common[heading]}
                found[heading] = {**own, **found[heading]}
    for watched in WHILE_WATCHED.get(name, ()):
        found[SUBSCRIBES].setdefault(watched, (head[SUBSCRIBES][watched].type, ''))
    for heading, into in ((SUBSCRIBES, facts.subscribes), (PUBLISHES, facts.publishes), (SERVES, facts.serves)):
        check(name, heading, head[heading], {key: kind for key, (kind, _) in found[heading].items()})
        into.update({key: Topic(*found[heading][key], entry.text) for key, entry in head[heading].items()})
    return facts


def _placed(name: str, folder: str) -> list[dict[str, object]]:
    """VARIANTS with paths in this folder, where there is a recording of one message."""
    variants = VARIANTS.get(name, ({},))
    if name == 'replay':
        kind = 'diagnostic_msgs/msg/DiagnosticArray'
        with RecordingWriter(f'{folder}/made.mcap') as writer:
            writer.add_topic(TOPIC, kind)
            writer.write(TOPIC, kind, serialize_message(DiagnosticArray()), 1)
    return [
        {key: value.replace(_FOLDER, folder) if isinstance(value, str) else value for key, value in variant.items()}
        for variant in variants
    ]


def _variants(
    made: type[ManagedNode],
    options: Mapping[str, Any],
    parameters: Sequence[Parameter],
    variants: Sequence[Mapping[str, object]],
) -> Iterator[Entities]:
    """What the node has with each of these settings; where live parameters alone differ, the node goes on."""
    live = {parameter.name for parameter in parameters if parameter.live}
    quick = {key: value for key, value in _QUICK.items() if key in {parameter.name for parameter in parameters}}
    node: ManagedNode | None = None
    for variant in variants:
        if node is not None and not set(variant) <= live:
            node.destroy_node()
            node = None
        if node is None:
            node = made(**options, parameter_overrides=_overrides({**quick, **variant}))
            node.begin()
        else:
            node.set_parameters_atomically(_overrides(variant))
        yield _entities(node)
    if node is not None:
        node.destroy_node()


@contextmanager
def _ros() -> Iterator[dict[str, Any]]:
    """Options for nodes that keep to themselves."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=_DOMAIN)
    rclpy.logging.set_logger_level(_NAMESPACE.strip('/'), rclpy.logging.LoggingSeverity.ERROR)
    try:
        yield {'context': context, 'namespace': _NAMESPACE, 'enable_rosout': False}
    finally:
        rclpy.shutdown(context=context)


def _overrides(values: Mapping[str, object]) -> list[rclpy.Parameter]:
    return [rclpy.Parameter(name, value=value) for name, value in values.items()]


def _entities(node: Any) -> Entities:
    own = node.get_fully_qualified_name()

    def short(name: str) -> str:
        for prefix, replaced in ((f'{own}/', '~/'), (f'{_NAMESPACE}/', '')):
            if name.startswith(prefix):
                return replaced + name[len(prefix) :]
        return name

    return {
        SUBSCRIBES: {short(s.topic_name): (_type(s.msg_type), _words(s.qos_profile)) for s in node.subscriptions},
        PUBLISHES: {short(p.topic_name): (_type(p.msg_type), _words(p.qos_profile)) for p in node.publishers},
        SERVES: {short(s.service_name): (_type(s.srv_type), '') for s in node.services},
    }


def _type(kind: type) -> str:
    return f'{kind.__module__.partition(".")[0]}/{kind.__name__}'


def _words(profile: QoSProfile) -> str:
    latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return f'{qos.name_of(profile.reliability)}{", latched" if latched else ""}, {profile.depth}'


def _parameters(node: ManagedNode) -> list[Parameter]:
    """In the order in which they are declared, those of every node last."""
    ordinary = {name for name in node._parameters if name.startswith('qos_overrides')} | set(
        node_parameters._BY_ROS_ITSELF
    )
    names = [name for name in node._parameters if name not in ordinary]
    names.sort(key=lambda name: name == 'autostart')
    described = zip(names, node.get_parameters(names), node.describe_parameters(names), strict=True)
    return [_parameter(name, value.value, descriptor) for name, value, descriptor in described]


def _parameter(name: str, value: object, descriptor: ParameterDescriptor) -> Parameter:
    if name == 'autostart':
        value = True  # it was made with false, to be asked and not started
    constraints = [text for text in descriptor.additional_constraints.split('; ') if text]
    live = node_parameters.LIVE in constraints
    allowed = [text for text in constraints if text not in (node_parameters.LIVE, node_parameters.FIXED)]
    for limits in (*descriptor.floating_point_range, *descriptor.integer_range):
        allowed.append(f'{limits.from_value:,.10g} … {limits.to_value:,.10g}')
    kind = {bool: 'bool', int: 'int', float: 'float', str: 'string'}[type(value)]
    return Parameter(name, kind, value, '; '.join(allowed), descriptor.description, live)
