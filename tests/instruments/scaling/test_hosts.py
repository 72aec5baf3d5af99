"""Over links of known rates the measured all-reduce is the formula's: two hosts, as namespaces of this machine."""

import pytest

from tests.instruments.scaling.namespaces import VIA, hosts, missing
from underhood.instruments.scaling import scaling
from underhood.instruments.scaling.formulas import ring_seconds

pytest.importorskip("torch")

MATTER = 1 << 20  # bytes: smaller all-reduces take less than the formula's terms tell
OVERHEAD = 0.9  # of a wire's rate at the least is payload: headers of 66 bytes on 1,448, and tokens


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "bytes_a_second"), [("100mbit", 12.5e6), ("1gbit", 125e6), (None, None)])
def test_all_reduce_over_a_shaped_link(rate, bytes_a_second):
    if lacks := missing():
        pytest.skip(lacks)
    network = {"network": "resnet18-cifar", "arguments": {"width": 16}}
    with hosts(rate) as names:
        found = scaling(
            network["network"], arguments=network["arguments"], batch=2, devices=[2], hosts=names, via=VIA,
            steps=1, rounds=3, warmup=1, strong=False,
        )  # fmt: skip
    group = found.group(2)
    print(found.tables()[-1])
    if bytes_a_second:
        assert OVERHEAD * bytes_a_second < group.link.ring < 1.02 * bytes_a_second
        assert OVERHEAD * bytes_a_second < group.link.one_way < 1.02 * bytes_a_second
    sums = [each for each in group.all_reduce if each.bytes >= MATTER]
    assert len(sums) >= 3
    for each in sums:
        expected = ring_seconds(each.bytes, 2, group.link.ring, group.link.latency)
        assert each.seconds.median == pytest.approx(expected, rel=0.2), f"{each.bytes} bytes at {rate}"
    assert found.hosts == ("uh0", "uh1")
