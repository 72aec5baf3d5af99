"""torch.backends.cuda without CUDA: the switches are there to be set."""


class matmul:  # noqa: N801 - torch’s name
    """How products would be rounded on a GPU."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True


def is_built() -> bool:
    return False
