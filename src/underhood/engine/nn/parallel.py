"""DataParallel as it is where there are no GPUs: the module itself.

PyTorch: torch.nn.DataParallel.
"""

from typing import Any

from underhood.engine.nn.module import Module


class DataParallel(Module):
    """Calls `module`; its state_dict's keys begin with `module.`, as there."""

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        if device_ids:
            raise RuntimeError(f"DataParallel(device_ids={device_ids}): underhood's engine runs on the CPU")
        self.module = module

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.module(*inputs, **options)
