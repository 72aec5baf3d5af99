"""What the machine tells of its work, in SI units."""

import pytest

from underhood.studies.learning import device


@pytest.mark.parametrize(("written", "joules"), [("2500000\n", 2.5), ("nothing\n", None), (None, None)])
def test_the_processor_counts_microjoules(written, joules, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "ENERGY", tmp_path / "energy_uj")
    if written is not None:
        device.ENERGY.write_text(written)
    assert device._energy() == joules
