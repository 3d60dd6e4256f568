"""A cluster of two nodes on this machine, for all tests of a module; and models in a store of their own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("tiffin_ray") is None:
    collect_ignore_glob = ["test_*.py"]  # as with every heavy framework: the slow tier has it

# Actors import the runnables of the tests, and so do the tests.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Run a cluster of two nodes, each with a resource of its name, and connect to it."""
    import ray
    from ray.cluster_utils import Cluster

    # Nodes inherit what the first test had for a home; each test says its own by environment variables of its actors.
    made = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "resources": {"near": 1}, "include_dashboard": False}
    )
    made.add_node(num_cpus=1, resources={"far": 1})
    ray.init(address=made.address, logging_level="ERROR", log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def environment(store_home: Path) -> dict[str, Any]:
    """Return a runtime environment whose actors have this test's store, and its modules."""
    return {"env_vars": {"TIFFIN_HOME": str(store_home), "PYTHONPATH": str(Path(__file__).parent)}}
