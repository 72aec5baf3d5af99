import subprocess
import sys

import underhood.data


def test_importing_loads_nothing_heavy() -> None:
    heavy = ["sklearn", "scipy", "PIL", "pydantic", "rich", "numba", "torch", "platformdirs", "multiprocessing"]
    program = f"import sys, underhood.data; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_documented() -> None:
    for name in underhood.data.__all__:
        assert getattr(underhood.data, name).__doc__, name
