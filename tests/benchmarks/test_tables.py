"""Records of turns become tables."""

import pytest

from benchmarks.cases import CASES
from benchmarks.floor import Work
from benchmarks.tables import (
    Records,
    allocations,
    by_process,
    kernels,
    not_replayed,
    ordinary,
    peers,
    readies,
    speed,
    variants,
)

KERNELS = [{"name": "relu_gradient", "calls": 2, "ms": 0.1}, {"name": "linear_weight_gradient", "calls": 1, "ms": 0.3}]
MLP, NN = CASES["mlp"], CASES["simple-nn"]


def turns(case, contender, steps, **more):
    """One start, a turn for every step."""
    said = {"case": case.name, "threads": 1, "contender": contender, "start": 0, "ready_s": 2.0, "peak_bytes": 5e6}
    return [said | {"turn": i, "step_ms": step} | more for i, step in enumerate(steps)]


@pytest.fixture
def found():
    return Records(
        [
            *turns(MLP, "underhood", [1.0, 2.0, 4.0]),
            *turns(MLP, "eager", [9.0]),
            *turns(MLP, "as it stands", [3.0, 6.0]),
            *turns(MLP, "compiled by underhood", [1.5, 3.0]),
            *turns(MLP, "fused", [3.0, 4.0, 4.0]),
            *turns(MLP, "JAX", [5.0]),
            *turns(NN, "underhood", [10.0], reason="a hook"),
            {"case": "mlp", "threads": 1, "contender": "MyGrad", "missing": "not installed"},
            {"case": "mlp", "cold_s": 7.5, "kernels_s": 3.0},
            {"case": "mlp", "kernels": KERNELS},
            {"threads": 1, "peaks": {"gflops": 2000.0, "copies": {"1000000": 10.0}}},
        ]
    )


def test_the_engine_is_held_against_the_best_turn_by_turn(found):
    row, other = speed(found, 1, [MLP, NN]).rows
    assert (row["ours"], row["theirs"], row["variant"]) == (2.0, 4.0, "fused")
    assert row["images"] == 64 / 2e-3
    # 3/1, 4/2, 4/4: not 4/2, the ratio of the medians, but their median
    assert row["ratio"] == "2.00 (1.00–3.00)"
    assert row["reached"] is True
    assert (other["ours"], other["theirs"], other["ratio"], other["reached"]) == (10.0, None, None, None)


def test_a_step_that_was_not_replayed_is_named(found):
    assert not_replayed(found, 1, [MLP, NN]) == ["SimpleNN, 128 was not replayed: a hook."]


def test_the_ordinary_loop_stands_beside_eager_mode_and_the_plan(found):
    row, other = ordinary(found, 1, [MLP, NN]).rows
    assert (row["underhood"], row["as it stands"], row["compiled by underhood"]) == (2.0, 4.5, 2.25)
    assert (row["ratio"], row["of plan"]) == ("3.00", "1.50 (1.50–1.50)")
    assert (other["as it stands"], other["ratio"]) == (None, None)


def test_variants_stand_side_by_side(found):
    (row,) = variants(found, 1, [MLP]).rows
    assert (row["eager"], row["fused"], row["compiled, fused"]) == (9.0, 4.0, None)


def test_the_others_are_compared_in_the_turns_they_took(found):
    table = peers(found, 1, [MLP])
    (row,) = table.rows
    assert (row["JAX"], row["JAX ratio"], row["MyGrad"], row["MyGrad ratio"]) == (5.0, 5.0, None, None)
    assert table.foot == ["MyGrad: not installed."]


def test_memory_and_first_steps_are_told_by_process(found):
    (row,) = by_process(found, 1, [MLP], lambda turns: turns[0]["peak_bytes"])
    assert row["underhood"] == row["JAX"] == 5e6
    assert "MyGrad" not in row
    (row,) = readies(found, 1, [MLP]).rows
    assert (row["cold_s"], row["kernels_s"], row["underhood"]) == (7.5, 3.0, 2.0)


def test_kernels_come_by_their_share_and_tell_what_stands_above_the_floor(found):
    work = Work(flops=3 * 10**8, moved=10**6, touched=10**6)
    table = kernels(found, MLP, work)
    assert [(row["name"], row["share"]) for row in table.rows] == [
        ("linear_weight_gradient", pytest.approx(0.75)),
        ("relu_gradient", pytest.approx(0.25)),
    ]
    # 3e8 FLOPs at 2e12 a second are 0.15 ms, 50 % of 0.3 ms; a copy of 1e6 bytes at 1e10 a second takes 0.1 ms
    assert table.foot == [
        "Step 2.000 ms, floor 0.150 ms. Products and convolutions take 0.300 ms, at 50% of the peak; "
        "everything else 0.100 ms."
    ]
    assert kernels(found, NN, work) is None


def test_nothing_counted_makes_no_table(found):
    assert allocations(found, [MLP]) is None
    assert found.cases() == [MLP, NN]
    assert found.threads() == [1]
