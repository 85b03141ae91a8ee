"""What torch finds on this machine."""

from __future__ import annotations


def torch_facts() -> list[str]:
    """Lines for a person: torch's version, and the GPUs it can use with their memory."""
    try:
        import torch
    except ImportError as error:
        return [f"torch cannot be imported ({error}); reinstall it with: pip install 'torch>=2.6,<2.14'"]
    facts = [f"torch {torch.__version__}"]
    if not torch.cuda.is_available():
        return [*facts, "  no CUDA device: trainings run on the CPU"]
    for i in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(i)
        facts.append(f"  cuda:{i} {torch.cuda.get_device_name(i)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
    return facts
