"""The networks of the tests' own writing, importable from beside the tests."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

spec = spec_from_file_location("instruments_networks", Path(__file__).with_name("networks.py"))
module = module_from_spec(spec)
sys.modules["instruments_networks"] = module
spec.loader.exec_module(module)
