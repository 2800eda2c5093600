"""What test_training_ranks.py has `torchrun` run in two processes: a whole run, then gradients of one batch.

Usage: two_ranks.py FOLDER
"""

import sys
from pathlib import Path

import torch

from minimal_hand_core.training.config import config_from_dict
from minimal_hand_core.training.optimizers import orthogonalized_by_ranks
from minimal_hand_core.training.ranks import check_agreement, choose_device, ranks_from_environment, working_together
from minimal_hand_core.training.state import RunState
from minimal_hand_core.training.stream import CropStream
from minimal_hand_core.training.train_detnet import network_input, train

SETTINGS = {
    'steps': 3, 'batch': 4, 'warmup': 1, 'optimizer': 'muon', 'checkpoint_every': 2, 'log_every': 1,
    'refiner': True, 'tensorboard': False, 'device': 'cpu', 'data': {'workers': 0},
    'validation': {'every': 3, 'rendered': 2},
}  # fmt: skip
LOSSES = ('cells', 'joints', 'peer')


def matrices():
    """Three for Muon, one for the first rank and two for the second."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(rows, columns, generator=generator) for rows, columns in ((8, 20), (30, 40), (12, 6))]


def gradients(loss, ranks):
    """Every parameter's gradient of one batch. Batch norms are in eval mode: in training they see their own rank."""
    config = config_from_dict({**SETTINGS, 'loss': loss})
    state = RunState(config, ranks)
    state.model.eval()
    batch = CropStream(config, ranks)[0]
    batch['weight'][:, ::3] *= 0.5
    batch['weight_3d'][0] = 0  # of each rank; in one process, of both that are first in a rank
    images = network_input(batch)
    if ranks.world == 1:
        batch['weight_3d'][1] = 0
    terms = state.loss(images, batch['uv'], batch['xyz'], batch['weight'], batch['weight_3d'])
    terms.total.backward()
    return {'loss': terms.total.detach(), **{name: p.grad for name, p in state.model.named_parameters()}}


if __name__ == '__main__':
    torch.set_num_threads(1)
    folder, ranks = Path(sys.argv[1]), ranks_from_environment()
    with working_together(ranks, choose_device('cpu', ranks)):
        train(config_from_dict(SETTINGS), folder / 'run', ranks=ranks)
        try:
            check_agreement(3 + ranks.rank, ranks)
        except ValueError as error:
            (folder / f'disagreement{ranks.rank}.txt').write_text(str(error))
        turned = orthogonalized_by_ranks(matrices())
        found = {loss: gradients(loss, ranks) for loss in LOSSES}
    torch.save(turned, folder / f'turned{ranks.rank}.pt')
    torch.save(found, folder / f'gradients{ranks.rank}.pt')
