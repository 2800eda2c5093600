"""The page of all nodes: topics, services and parameters of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tools.reference.commands import console_scripts
from tools.reference.markdown import anchor, code, prose, table
from tools.reference.nodes import NodeFacts, Topic, describe, node_class

_HEAD = """# Nodes

Every node is an executable: `ros2 run minimal_hand_ros NAME`, or plain `NAME` where it was installed with pip. All are
[lifecycle nodes](../ros.md#lifecycle), publish [`/diagnostics`](../ros.md#diagnostics), and have the services that
rclpy gives to every lifecycle node, which are not listed. Names of topics and services may be remapped. With `side`
`both`, `hand/x` becomes `right_hand/x` and `left_hand/x` ([two hands](../tracking.md#two-hands)).

Profile: reliability, *latched* where late subscribers get the last message (transient local), and depth of the queue.
Subscriptions to pictures follow the parameter `reliability`; what they are here is what they begin with.
Live: the parameter may change while the node runs; others only while it is unconfigured.
"""


def all_nodes() -> list[NodeFacts]:
    """Every node among the executables."""
    found = ((name, node_class(module)) for name, module in console_scripts().items())
    return [describe(name, made) for name, made in found if made is not None]


def nodes_page(nodes: list[NodeFacts]) -> str:
    """Markdown of the page."""
    overview = table(
        ['Node', 'What it does'], [[f'[`{node.name}`](#{anchor(node.name)})', _does(node)] for node in nodes]
    )
    return '\n'.join([_HEAD, overview, *(part for node in nodes for part in _node(node))])


def _node(node: NodeFacts) -> Iterator[str]:
    yield f'## {node.name}\n'
    yield _does(node) + '\n'
    yield from _topics('Subscribes', node.subscribes)
    yield from _topics('Publishes', node.publishes)
    if node.serves:
        yield table(
            ['Serves', 'Type', 'Description'],
            [[code(name), _type(one.type), prose(one.text)] for name, one in node.serves.items()],
        )
    yield table(
        ['Parameter', 'Type', 'Default', 'Range', 'Description', 'Live'],
        [
            [
                code(one.name),
                one.type,
                code(_value(one.default)),
                prose(one.allowed),
                prose(one.text),
                'yes' if one.live else '',
            ]
            for one in node.parameters
        ],
    )


def _does(node: NodeFacts) -> str:
    return prose(node.does[0].upper() + node.does[1:])


def _topics(heading: str, topics: Mapping[str, Topic]) -> Iterator[str]:
    if topics:
        yield table(
            [heading, 'Type', 'Profile', 'Description'],
            [[code(name), _type(one.type), one.profile, prose(one.text)] for name, one in topics.items()],
        )


def _type(name: str) -> str:
    package, _, kind = name.partition('/')
    return f'[`{kind}`](messages.md#{anchor(kind)})' if package == 'minimal_hand_ros' else code(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f'{value:.10g}' if value % 1 else f'{value:.1f}'
    return repr(value) if isinstance(value, str) else str(value)
