"""Runs whose results are written down, so that what is to be found in them is known."""

import pytest

from underhood.lab import open_run
from underhood.lab.files import line_of
from underhood.lab.store import RunFolder
from underhood.lab.trial import digest


@pytest.fixture
def stored(tmp_path):
    """stored(name, {label: {seed: values}}, …): a run with a setting `rule` for each label; None is a failed trial."""

    def make(name, groups, data="d1", curves=None, settings=None, facts=None):
        folder, specs = RunFolder(tmp_path / name), {}
        for label, seeds in groups.items():
            for seed, values in seeds.items():
                trial = folder.trial(digest([name, label, seed]))
                trial.path.mkdir(parents=True)
                specs[trial.id] = {
                    "id": trial.id,
                    "group": label,
                    "function": "made:train",
                    "seed": seed,
                    "data": data,
                    "settings": {"rule": label} | (settings or {}),
                    "non_default": {},
                }
                lines = (curves or {}).get((label, seed), [])
                trial.metrics_file.write_text("".join(line_of(line) + "\n" for line in lines))
                if values is None:
                    trial.write_state("failed", reason="it broke", seconds=2.0, exit_code=1)
                    continue
                trial.write_state("finished", seconds=1.5)
                facts = facts or {"codes": ["c1"], "versions": {"numpy": "2"}, "machine": {"cpu": "one"}}
                trial.write_result({"values": values, **facts})
        folder.write(
            {"study": "made", "scale": "smoke", "command": "underhood run made", "warnings": [], "state": "finished"}
            | {"exit_code": 0, "plan": list(specs), "trials": specs, "file": None, "began": "2026-01-02T03:04:05+00:00"}
            | {"machine": {}, "versions": {}}
        )
        return open_run(folder.path)

    return make


@pytest.fixture
def errors():
    """Results of this test error for seeds 0, 1, …"""
    return lambda *values: {seed: {"test_error": value} for seed, value in enumerate(values)}
