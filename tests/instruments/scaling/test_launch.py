"""Workers that end badly: what was measured before counts, and how they ended is said."""

from underhood.hosts import Hosts
from underhood.instruments.scaling import launch


def test_what_was_found_counts_though_another_host_ends_badly_afterwards(tmp_path, monkeypatch):
    """torchrun on the first host waits minutes for the other one's end, and heeds no signal meanwhile."""
    via = tmp_path / "via.sh"
    via.write_text(
        f"#!/bin/sh\nif [ $1 = left ]; then trap '' TERM; echo '{launch.MARK}{{\"devices\": 2}}'; exec sleep 300; fi\n"
        'sleep 1; echo "terminate called" >&2; kill -ABRT $$\n'
    )
    via.chmod(0o755)
    hosts = Hosts.of(["left=127.0.0.1", "right"], f"{via} {{host}}")
    monkeypatch.setattr(launch, "PATIENCE", 0.5)
    assert launch.run({"threads": 1}, 2, hosts, 60.0) == {"devices": 2}
