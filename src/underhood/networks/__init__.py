"""One page a network. A page is a function of `nn`, so that one text builds it on either back end."""

from underhood.networks import mlp
from underhood.networks.registry import Network

NETWORKS: dict[str, Network] = {page.network.name: page.network for page in (mlp,)}

__all__ = ["NETWORKS", "Network"]
