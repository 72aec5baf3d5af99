"""Workers that compute together: the command line that starts them with PyTorch's launcher, torchrun.

    torchrun ─┬─ worker, RANK 0 of WORLD_SIZE        they find each other through torchrun's rendezvous, and
              ├─ worker, RANK 1                      exchange tensors over gloo (processors) or nccl (GPUs)
              └─ …

torchrun watches its workers: when one dies it ends the others and starts all of them again, up to `restarts` times
(torch elastic). It puts each worker into a session of its own, so that a worker whose torchrun was killed would live
on; `end_with_parent` is what a worker guards itself with.

Source: torch.distributed.run, "torchrun (Elastic Launch)".
"""

import json
import os
import platform
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from underhood.errors import BadInput, MissingPiece, UnderhoodError

WATCH = 0.5  # seconds between two looks at whether the launcher is still there


@dataclass(frozen=True)
class Node:
    """One host of several: its number, how many there are, and where the first one listens."""

    number: int
    of: int
    address: str
    port: int


def command(devices: int, module: str, *words: str, restarts: int = 0, node: Node | None = None) -> list[str]:
    """The line that starts `devices` workers here, each as `python -m module words…`; with others on other hosts."""
    if node is None:
        meeting = ["--standalone", "--local-addr", "127.0.0.1"]
    else:
        meeting = ["--nnodes", str(node.of), "--node-rank", str(node.number)]
        meeting += ["--master-addr", node.address, "--master-port", str(node.port)]
    return [
        *(sys.executable, "-m", "torch.distributed.run", *meeting, "--nproc-per-node", str(devices)),
        *("--max-restarts", str(restarts), "--monitor-interval", "0.1", "-m", module, *words),
    ]


def is_worker() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def meet(backend: str, trouble: UnderhoodError | None = None) -> None:
    """Make torch.distributed's group of all workers, over "gloo" or "nccl".

    `trouble` is what keeps this worker from computing along. All of them raise it, whosever it is, so that none waits
    for another.

    The launcher's store outlives a restart: under a prefix of its own each attempt reads no address of the last one's
    workers, for whom it would wait.
    """
    import torch

    distributed: Any = torch.distributed

    _find_interface()
    rank, workers = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    hosts_it = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    store = distributed.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), workers, hosts_it)
    store = distributed.PrefixStore(f"attempt {restart()}", store)
    _share(store, rank, workers, trouble)
    distributed.init_process_group(backend, store=store, rank=rank, world_size=workers)


def _share(store: Any, rank: int, workers: int, trouble: UnderhoodError | None) -> None:
    """Raise the first worker's trouble that there is, on every worker."""
    said = {} if trouble is None else {"error": str(trouble), "exit_code": trouble.exit_code}
    store.set(f"trouble {rank}", json.dumps(said))
    for each in range(workers):
        if told := json.loads(store.get(f"trouble {each}")):
            raise (BadInput if told["exit_code"] == BadInput.exit_code else MissingPiece)(told["error"])


def _find_interface() -> None:
    """Let gloo use the network interface that the first worker is reached through.

    It would take the one that the host's own name stands for, which may be another one, or none.
    """
    import psutil

    address = socket.gethostbyname(os.environ["MASTER_ADDR"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))  # nothing is sent: it finds the route
        own = probe.getsockname()[0]
    for name, addresses in psutil.net_if_addrs().items():
        if own in (each.address for each in addresses):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)


def take_gpu() -> MissingPiece | None:
    """Take the GPU of this worker's number on its host, for what computes on "cuda"; what is wrong if it has none."""
    import torch

    here, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if here > gpus:
        return MissingPiece(f"devices: {here} workers need a GPU each, PyTorch sees {gpus} on {platform.node()}")
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return None


def restart() -> int:
    """How often torchrun has started this process's group anew."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def end_with_parent() -> None:
    """End this process soon after the one that started it has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
