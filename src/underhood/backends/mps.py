"""torch.backends.mps where there is no Metal."""


def is_available() -> bool:
    return False


def is_built() -> bool:
    return False
