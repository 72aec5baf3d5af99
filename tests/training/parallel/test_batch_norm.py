"""BatchNorm over two workers equals PyTorch's over the whole batch: outputs, gradients, statistics."""

import os
import subprocess
from pathlib import Path

import pytest

from underhood import torchrun

pytest.importorskip("torch")

WORKER = Path(__file__).with_name("batch_norm_worker.py")


def test_two_workers_agree_with_pytorch_on_the_whole_batch():
    words = torchrun.command(2, WORKER.stem)
    path = os.pathsep.join([str(WORKER.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")) == ["", "worker 0 agrees", "worker 1 agrees"]
