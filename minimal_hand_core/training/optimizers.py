"""What takes a network's steps: AdamW, or Muon for the kernels that mix channels and AdamW for the rest.

Muon (K. Jordan 2024) turns the momentum of a matrix into the nearest matrix with equal singular values, so that
directions with small gradients learn as fast as those with large ones. Its step is scaled to the size of AdamW's
(Liu et al. 2025, "Muon is scalable for LLM training"), which lets both share learning rate and weight decay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, overload

import torch
from torch import Tensor, distributed, nn

from minimal_hand_core.detnet.ranks import world_size
from minimal_hand_core.training.schedule import decay_groups

OPTIMIZERS = ('adamw', 'muon')
"""Names that a recipe may give."""

MOMENTUM = 0.95
ITERATIONS = 5
RMS = 0.2
"""Root mean square of an AdamW step at rate 1, as measured by Liu et al."""


def make_optimizer(
    name: str, model: nn.Module, learning_rate: float, weight_decay: float, dtype: torch.dtype = torch.float32
) -> torch.optim.AdamW:
    """An optimiser of all parameters of a model.

    Args:
        name: one of OPTIMIZERS.
        model: whose convolutions, linear layers, norms and biases are to be trained.
        learning_rate, weight_decay: of all groups, but norms and biases do not decay.
        dtype: what Muon turns matrices in; weights and momentum stay as they are.

    Raises:
        ValueError: another name.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f'optimizer is {name!r}; give one of {", ".join(OPTIMIZERS)}')
    groups = decay_groups(model, weight_decay)
    if name == 'adamw':
        return torch.optim.AdamW(groups, lr=learning_rate)
    kernels = mixing_kernels(model)
    held = {id(kernel) for kernel in kernels}
    for group in groups:
        group['params'] = [parameter for parameter in group['params'] if id(parameter) not in held]
    return Muon([*groups, {'params': kernels, 'weight_decay': weight_decay, 'muon': True}], learning_rate, dtype)


def mixing_kernels(model: nn.Module) -> list[nn.Parameter]:
    """The kernels for Muon: of convolutions and linear layers without a bias and with more than three inputs.

    Left to AdamW are depthwise kernels, which are no matrices, what sees pixels or coordinates, and the last layers,
    whose rows are as different as their outputs; those are the ones with a bias in our networks.
    """
    kernels = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear) and m.bias is None]
    return [cast(nn.Parameter, kernel) for kernel in kernels if kernel.shape[1] > 3]


class Muon(torch.optim.AdamW):
    """AdamW that gives the groups with `muon: True` Muon's step instead. A kernel (O, I, …) is the matrix (O, I·…)."""

    def __init__(self, params: list[dict[str, Any]], lr: float, dtype: torch.dtype = torch.float32) -> None:
        super().__init__([{'muon': False, **group} for group in params], lr=lr)
        self._dtype = dtype

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of all parameters that have a gradient."""
        if closure is not None:
            raise ValueError('closure: Muon takes none; call backward() before step()')
        kernels = [(p, p.grad, group) for group in self.param_groups if group['muon'] for p in group['params']]
        for parameter, _, _ in kernels:
            parameter.grad = None  # AdamW passes over what has no gradient
        try:
            super().step()
        finally:
            for parameter, gradient, _ in kernels:
                parameter.grad = gradient
        self._turn([kernel for kernel in kernels if kernel[1] is not None])
        return None

    @torch.no_grad()
    def _turn(self, kernels: list[tuple[Tensor, Tensor, dict[str, Any]]]) -> None:
        ahead = [self._momentum(parameter, gradient) for parameter, gradient, _ in kernels]
        for (parameter, _, group), update in zip(kernels, orthogonalized_by_ranks(ahead, self._dtype), strict=True):
            parameter.mul_(1 - group['lr'] * group['weight_decay'])
            scale = RMS * max(update.shape) ** 0.5
            parameter.add_(update.reshape(parameter.shape), alpha=-group['lr'] * scale)

    def _momentum(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """A kernel's momentum after this gradient, looked ahead (Nesterov), as a matrix."""
        state = self.state[parameter]
        if not state:
            # AdamW looks for 'step' in whatever state it loads
            state.update(step=torch.tensor(0.0), momentum=torch.zeros_like(parameter))
        state['step'] += 1
        momentum = state['momentum'].mul_(MOMENTUM).add_(gradient)
        return gradient.add(momentum, alpha=MOMENTUM).flatten(1)


def orthogonalized_by_ranks(matrices: list[Tensor], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """`orthogonalized` of each matrix. Ranks that train together share the work: all of them must call this with the
    same matrices, and all get the same answers."""
    world = world_size()
    if world == 1 or not matrices:
        return [orthogonalized(matrix, dtype) for matrix in matrices]
    sizes = [matrix.numel() for matrix in matrices]
    answers = matrices[0].new_zeros(sum(sizes))
    owners = _owners([min(matrix.shape) * matrix.numel() for matrix in matrices], world)
    for matrix, place, owner in zip(matrices, answers.split(sizes), owners, strict=True):
        if owner == distributed.get_rank():
            place.copy_(orthogonalized(matrix, dtype).flatten())
    distributed.all_reduce(answers)
    return [place.view(matrix.shape) for matrix, place in zip(matrices, answers.split(sizes), strict=True)]


def _owners(costs: list[int], world: int) -> list[int]:
    """Which rank does which piece of work, the dearest first, each to whom has the least to do so far."""
    load = [0] * world
    owners = [0] * len(costs)
    for i in sorted(range(len(costs)), key=lambda i: -costs[i]):
        owners[i] = load.index(min(load))
        load[owners[i]] += costs[i]
    return owners


def orthogonalized(matrix: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """U Vᵀ of the singular value decomposition U S Vᵀ, roughly: singular values come out between about 0.7 and 1.2.

    Five Newton–Schulz iterations with the coefficients of Jordan 2024, which trade exactness for speed.

    Args:
        matrix: (M, N) float32; zeros stay zeros.
        dtype: of the iterations. In bfloat16, for which the coefficients were made, the answer is 4 % off.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (matrix / (matrix.norm() + 1e-7)).to(dtype)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(matrix.dtype)
