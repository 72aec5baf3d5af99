"""torch.backends.cudnn without cuDNN: the switches are there to be set."""

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    return False


def version() -> None:
    return None
