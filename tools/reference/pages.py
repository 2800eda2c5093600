"""All generated pages."""

from __future__ import annotations

from pathlib import Path

import torch

from tools.reference.command_pages import all_commands, commands_page
from tools.reference.data_flow import data_flow
from tools.reference.interface_pages import frames_page, launch_page, messages_page
from tools.reference.node_pages import all_nodes, nodes_page
from tools.reference.python_page import python_page

ROOT = Path(__file__).resolve().parents[2]
_NOTICE = '<!-- Made by `python -m tools.reference` from the code: edit that. -->\n\n'


def make_pages() -> dict[str, str]:
    """Path below the repository → content.

    Raises:
        HeadError, ValueError: a table in the code is not as it should be.
    """
    torch.set_num_threads(1)
    pages = {
        'nodes': nodes_page(all_nodes()),
        'messages': messages_page(),
        'frames': frames_page(),
        'launch': launch_page(),
        'commands': commands_page(all_commands()),
        'python': python_page(),
    }
    made = {f'docs/reference/{name}.md': _NOTICE + text for name, text in pages.items()}
    return {**made, 'docs/images/data_flow.svg': data_flow()}
