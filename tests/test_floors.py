"""The structure: imports only point down, and each third-party package has its place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pipeline" / "jachess"
FLOORS = ["errors", "network", "backprop", "checks", "batch", "result", "publish", "jobs", "cli"]
"""From the ground up; the package itself and its __main__ stand above all."""

PLACES = {
    "zarr": {
        "batch/new_store.py",
        "batch/store.py",
        "batch/store_form.py",
        "batch/storage/bucket.py",
        "batch/storage/folder.py",
        "batch/storage/strict.py",
        "batch/storage/trial.py",
        "batch/tables/bounded_codecs.py",
        "batch/tables/zarr_arrays.py",
        "result/scratch.py",
    },
    "obstore": {"batch/storage/bucket.py", "batch/storage/bucket_lock.py", "batch/storage/obstore_errors.py"},
    "distributed": {
        "batch/clusters/keys.py",
        "batch/clusters/local.py",
        "batch/clusters/preflight.py",
        "batch/clusters/workers.py",
        "batch/compute.py",
        "batch/stored.py",
        "batch/tasks.py",
        "batch/window.py",
    },
    "dask": {
        "batch/clusters/choice.py",
        "batch/clusters/file.py",
        "batch/clusters/settings.py",
        "batch/clusters/started.py",
        "jobs.py",
        "result/lazy.py",
    },
    "xarray": {"result/lazy.py"},
    "pyarrow": {"batch/tables/files.py"},
    "yaml": {"batch/plain_yaml.py"},
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


def imports(file: Path, *, top_only: bool = False) -> list[str]:
    """Absolute names of the modules that a file imports."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else list(ast.walk(tree))
    found: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found.append(node.module or "")
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def floor(module: str) -> int:
    part = module.split(".")[1] if "." in module else ""
    return FLOORS.index(part) if part in FLOORS else len(FLOORS)


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_point_down(file: Path) -> None:
    here = floor("jachess." + name_of(file).removesuffix(".py").replace("/", "."))
    for module in imports(file):
        if module.startswith("jachess."):
            assert floor(module) <= here, f"{name_of(file)} imports {module}"


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_packages_stay_in_their_places(file: Path) -> None:
    for module in imports(file):
        package = module.split(".")[0]
        if package in PLACES:
            assert name_of(file) in PLACES[package]
        if package == "matplotlib":
            assert name_of(file).startswith("result/plots/")
        if package == "onnx":
            assert name_of(file).startswith("network/onnx/")
        if name_of(file).startswith(("network/", "backprop/", "checks/")):
            assert package not in ("jsonschema", "yaml", "dask", "zarr")


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {}
    for file in MODULES:
        module = "jachess." + name_of(file).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        graph[module] = set(imports(file, top_only=True))
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"circle: {' > '.join((*path, module))}"
        if module in graph and module not in done:
            for target in sorted(graph[module]):
                if target != module:
                    visit(target, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_modules_stay_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 270


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_operations_are_known_by_name_in_few_places(file: Path) -> None:
    allowed = (
        "network/operations/",
        "network/assembly/",
        "network/onnx/",
        "network/sources/",
        "network/layers.py",
        "network/matrix_uses.py",
        "network/error_functions.py",
        "network/head.py",
        "network/evaluation.py",
    )
    if not name_of(file).startswith(allowed):
        words = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
        assert not words & {"Gemm", "MatMul", "Add", "Softmax", "Sigmoid", "Relu", "Tanh", "Concat"}
