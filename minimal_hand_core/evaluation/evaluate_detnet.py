"""`evaluate_detnet`: score a network, or stored results, under the named protocols, beside the published figures."""

from __future__ import annotations

import argparse
import sys

from minimal_hand_core.data import DATASETS
from minimal_hand_core.evaluation.inputs import (
    add_report_arguments,
    add_source_arguments,
    finish,
    gather,
    protocols,
)
from minimal_hand_core.evaluation.peer_files import write_peer
from minimal_hand_core.evaluation.protocols import PROTOCOLS
from minimal_hand_core.evaluation.published import DETNET
from minimal_hand_core.evaluation.report import Report, check_output
from minimal_hand_core.exit_status import exit_status

_PROTOCOLS = '\n'.join(f'  {protocol.name:<12}{protocol.summary}' for protocol in PROTOCOLS.values())
EPILOG = f"""data sets: {', '.join(DATASETS)}

protocols:
{_PROTOCOLS}

examples:
  evaluate_detnet --dataset rendered                         5,000 fixed hands, nothing needed on disk
  evaluate_detnet --dataset rhd --root ~/data/RHD/RHD_published_v2 --output report/
  evaluate_detnet --dataset rhd --dataset stb --root ~/data --output report/        ~/data holds RHD/, STB/ …
  evaluate_detnet --dataset dexter_object --root ~/data --set labels=edited --protocol reference
  evaluate_detnet --datasets datasets.yaml --weights runs/mine/detnet.safetensors --backend auto
  evaluate_detnet --weights ckp_detnet_106.pth --dataset rhd --root ~/data        a checkpoint of the peer
  evaluate_detnet --from out_testset/                        the peer's own .npy files; no network, no data set

datasets.yaml is a list:
  - {{dataset: rhd, root: ~/data/RHD/RHD_published_v2}}
  - {{dataset: dexter_object, root: ~/data, options: {{labels: edited}}}}

Predictions are kept, in OUTPUT/predictions or in the user's cache: interrupted, the same command goes on; finished, it
scores again in seconds. What the protocols mean: docs/evaluation.md.
"""


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        'evaluate_detnet',
        description='3D and 2D accuracy of a network on labelled hands, beside the published figures.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_source_arguments(parser)
    add_report_arguments(parser)
    options = parser.parse_args(arguments)
    return exit_status('evaluate_detnet', lambda: _run(options), goes_on='where it was')


def _run(options: argparse.Namespace) -> None:
    report = Report()
    if options.output is not None:
        check_output(options.output)
    for predictions in gather(options):
        if options.peer_files is not None:
            write_peer(options.peer_files, predictions)
        report.add(predictions, DETNET, protocols(options))
    finish(report, options)


if __name__ == '__main__':
    sys.exit(main())
