"""With what a trial is computed: what either back end has, what goes together, and how the rest is refused."""

import itertools

import pytest

from underhood.training.backends.settings import BackendSettings, ParallelSettings

PROCESSOR = "the engine computes on the processor, in float32 or float64"
PLAN = "the engine's plan joins activations to what precedes them, and lays all its buffers out at once"
TORCHS = [
    ("device", "cuda", f'"cuda" needs backend = torch; {PROCESSOR}'),
    ("precision", "bfloat16", f'"bfloat16" needs backend = torch; {PROCESSOR}'),
    ("precision", "bfloat16-autocast", f'"bfloat16-autocast" needs backend = torch; {PROCESSOR}'),
    ("channels_last", True, f"true needs backend = torch; {PROCESSOR}"),
    ("compile", True, f"true needs backend = torch; {PROCESSOR}"),
    ("fused", True, f"true needs backend = torch; {PROCESSOR}"),
    ("devices", 2, f"2 needs backend = torch; {PROCESSOR}"),
    ("in_place_activations", True, f"true needs backend = torch; {PLAN}"),
    ("activation_checkpointing", True, f"true needs backend = torch; {PLAN}"),
]


def test_defaults():
    assert BackendSettings().model_dump() == {
        "backend": "underhood",
        "device": "cpu",
        "precision": "float32",
        "channels_last": False,
        "compile": False,
        "fused": False,
        "in_place_activations": False,
        "activation_checkpointing": False,
        "threads": 1,
        "form": "plan",
        "devices": 1,
        "parallel": {"batch": "whole", "rate": "kept", "batch_norm": "synchronised", "resumed": []},
    }


@pytest.mark.parametrize(("key", "value", "said"), TORCHS)
def test_what_only_torch_has_is_refused_for_the_engine(key, value, said):
    assert getattr(BackendSettings(backend="torch", **{key: value}), key) == value
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words follow
        BackendSettings(**{key: value})
    assert said in str(error.value)


@pytest.mark.parametrize("form", ["fast", "vector", "vector-by-channel", "definition"])
def test_forms_are_the_engine_s(form):
    assert BackendSettings(form=form).form == form
    with pytest.raises(ValueError, match=f'"{form}" is a form of the engine; it needs backend = underhood'):
        BackendSettings(backend="torch", form=form)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("float32", "float32"),
        ("float64", "float64"),
        ("bfloat16", "float32"),
        ("bfloat16-autocast", "float32"),
    ],
)
def test_batches_are_made_in_a_type_that_numpy_has(precision, dtype):
    assert BackendSettings(backend="torch", precision=precision).dtype == dtype
    if precision.startswith("float"):
        assert BackendSettings(precision=precision).dtype == dtype


@pytest.mark.parametrize(("devices", "translated", "again"), [*itertools.product([1, 2], [False, True], [False, True])])
def test_compile_is_for_one_device_and_chooses_what_is_computed_again(devices, translated, again):
    def made():
        return BackendSettings(
            backend="torch", devices=devices, compile=translated, activation_checkpointing=again
        ).activation_checkpointing

    if translated and devices > 1:
        with pytest.raises(ValueError, match="true is for one device; here are 2"):
            made()
    elif translated and again:
        with pytest.raises(ValueError, match="compile chooses itself what is computed again; leave one out"):
            made()
    else:
        assert made() is again


@pytest.mark.parametrize("key", ["threads", "devices"])
def test_counts_are_from_1_on(key):
    assert getattr(BackendSettings(backend="torch", **{key: 1}), key) == 1
    assert getattr(BackendSettings(backend="torch", **{key: 9}), key) == 9
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="greater than or equal to 1"):
            BackendSettings(backend="torch", **{key: wrong})


@pytest.mark.parametrize("rate", ["kept", "linear", "square-root"])
@pytest.mark.parametrize("batch", ["whole", "each"])
def test_a_rate_that_grows_follows_a_batch_that_grows(batch, rate):
    if batch == "whole" and rate != "kept":
        with pytest.raises(ValueError, match=f'"{rate}" follows a batch that grows; it needs parallel.batch = "each"'):
            ParallelSettings(batch=batch, rate=rate)
    else:
        assert ParallelSettings(batch=batch, rate=rate).rate == rate


def test_a_trial_was_on_one_device_or_more():
    assert ParallelSettings(resumed=[1, 4, 2]).resumed == [1, 4, 2]
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"{wrong} is no number of devices"):
            ParallelSettings(resumed=[2, wrong, -7])
