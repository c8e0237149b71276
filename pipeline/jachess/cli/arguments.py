"""The arguments of each command."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from typing import NoReturn

QUANTITIES = {
    "outputs": "outputs",
    "jacobian": "Jacobians of the outputs with respect to the inputs",
    "weight_jacobian": "derivatives of the outputs with respect to the weights",
    "input_hessian": "second derivatives of the outputs with respect to the inputs",
    "gradient": "gradient of the error with respect to the weights",
    "hessian": "Hessian of the error",
    "outer_product": "outer-product (Gauss-Newton) form of the Hessian",
    "block_diagonal": "blocks of the Hessian that belong to single weight tensors",
    "outer_product_blocks": "blocks of its outer-product form that belong to single weight tensors",
    "diagonal": "diagonal of the Hessian",
    "outer_product_diagonal": "diagonal of its outer-product form",
}
"""What jobs compute; each is an option too."""

_JOB_EXAMPLE = """examples:
  jachess {name} job.yaml
  jachess {name} --network model.onnx --points x.npy --jacobian --out result.zarr
  jachess {name} --network model.onnx --points x.npy --targets t.npy --hessian --error cross-entropy --out result.zarr
"""


_JSON = "print the verdict and all numbers as one JSON object"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"jachess: {message}. See {self.prog} --help.\n")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = _Parser(prog="jachess", description="Exact Jacobians and Hessians of trained networks, verified, in Zarr.")
    top.add_argument("--version", action="version", version=f"jachess {version('jachess')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for name, text in (
        ("run", "compute a job, or what is missing of it"),
        ("plan", "say what a job would take; write nothing, but with --shards an empty store"),
        ("run-shard", "compute one shard of a job that `plan --shards` has dealt"),
        ("finalize", "judge a job whose shards are computed"),
    ):
        command = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=_JOB_EXAMPLE.format(name=name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_job(command)
    run = commands.choices["run"]
    run.add_argument("--checksums", action="store_true", help="read every chunk first; compute damaged ones again")
    run.add_argument("--performance-report", metavar="FILE", help="write Dask's performance report, a page of HTML")
    run.add_argument("--publish", metavar="DIR", help="compute a version in DIR if anything changed; publish it")
    run.add_argument("--keep", type=int, metavar="N", help="with --publish: remove old versions but N")
    run.add_argument("--json", action="store_true", help=_JSON)
    deal = commands.choices["plan"]
    deal.add_argument("--shards", type=int, metavar="N", help="create the store and deal its blocks to N shards")
    commands.choices["run-shard"].add_argument("--index", type=int, metavar="I", required=True, help="from 0 to N - 1")
    commands.choices["finalize"].add_argument("--json", action="store_true", help=_JSON)
    _add_result_commands(commands)
    _add_version_commands(commands)
    return top


def _add_job(command: argparse.ArgumentParser) -> None:
    command.add_argument("job", nargs="?", metavar="JOB.yaml", help="the job file; options replace its keys")
    command.add_argument("--network", metavar="MODEL", help="the trained network: .onnx, .keras or .safetensors")
    command.add_argument("--points", metavar="FILE", help="the points: .npy, .npz, .csv, .parquet, Zarr; path or URL")
    command.add_argument("--targets", metavar="FILE", help="the targets, one row a point")
    for name, what in QUANTITIES.items():
        command.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=f"compute the {what}")
    command.add_argument("--error", metavar="E", help="sum-of-squares, cross-entropy or binary-cross-entropy")
    command.add_argument("--out", metavar="OUT", help="the Zarr store to write: a path or URL")
    command.add_argument(
        "--extends", metavar="OLD", help="a result of the first of these points, to which the rest is added"
    )
    command.add_argument("--dtype", metavar="TYPE", help="float64 (default) or float32: type of the stored numbers")
    command.add_argument("--triangle", metavar="T", help="both (default) or upper: which part of the Hessian is stored")
    command.add_argument("--memory", metavar="SIZE", help="memory of one worker, like 2GiB")
    _add_workers(command, "local worker processes (default: one a core)")
    command.add_argument("--weights", metavar="A,B,…", help="the tensors that are weights")
    command.add_argument("--input", metavar="NAME", help="the input to differentiate with respect to")
    command.add_argument("--output", metavar="NAME", help="the output to differentiate")
    command.add_argument("--method", metavar="M", help="auto (default), reverse, forward or mixed accumulation")
    command.add_argument("--confine", metavar="DIR", help="refuse a job that names a file outside of this folder")
    command.add_argument("--patience", type=float, metavar="SECONDS", help="how long any block may take (default 600)")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="set any key of the job")


def _add_result_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    cluster = commands.add_parser("cluster", help="show what a cluster file comes to, or check that it works")
    cluster.add_argument("what", choices=("show", "check"), help="show: start nothing; check: start it and try it")
    cluster.add_argument("file", metavar="FILE", help="a cluster file, or the name of a profile")
    cluster.add_argument("--out", metavar="OUT", default="result.zarr", help="where a result would go")
    status = commands.add_parser("status", help="done and missing blocks, verdict, provenance")
    status.add_argument("out", metavar="OUT")
    status.add_argument("--checksums", action="store_true", help="read every chunk and compare its checksum")
    status.add_argument("--watch", action="store_true", help="follow a run until it ends")
    status.add_argument("--json", action="store_true", help=_JSON)
    validate = commands.add_parser("validate", help="repeat the checks on what is stored")
    validate.add_argument("out", metavar="OUT")
    for name in ("network", "points", "targets"):
        validate.add_argument(f"--{name}", metavar="FILE", help=f"where the {name} is now, if it has moved")
    validate.add_argument("--confine", metavar="DIR", help="refuse files outside of this folder")
    _add_workers(validate, "local worker processes (default: none, this process checks on all cores)")
    validate.add_argument("--json", action="store_true", help=_JSON)
    query = commands.add_parser(
        "query",
        help="read parts of a result",
        epilog="examples:\n  jachess query out.zarr\n  jachess query out.zarr jacobian --point 0 --output 3\n"
        "  jachess query out.zarr hessian --rows 'hidden.weight[3, :]' --columns output.bias --format csv\n"
        "  jachess query out.zarr hessian --rows 'hidden.weight,hidden.bias unit=3' --columns 'input=bias'\n"
        "  jachess query out.zarr hessian --largest 10\n  jachess query out.zarr hessian --summary\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    query.add_argument("out", metavar="OUT")
    query.add_argument("array", nargs="?", metavar="ARRAY", help="its name; without it the arrays are listed")
    for name in ("point", "output", "input"):
        query.add_argument(f"--{name}", metavar="WHICH", help="a number, 0:10, or 1,5,7")
    query.add_argument(
        "--rows", metavar="WEIGHTS", help="tensors, tensor[indices], or numbers; then unit=… and input=…, of its labels"
    )
    query.add_argument("--columns", metavar="WEIGHTS", help="likewise")
    what = query.add_mutually_exclusive_group()
    what.add_argument("--largest", type=int, metavar="N", help="the N elements of the largest magnitude")
    what.add_argument("--summary", action="store_true", help="norms of each pair of tensors, or sensitivities")
    query.add_argument("--format", choices=("table", "csv", "json", "npy"), default="table")
    report = commands.add_parser("report", help="write one page with plots")
    report.add_argument("out", metavar="OUT")
    report.add_argument("-o", "--output", metavar="FILE", help="the page (default: OUT with the ending .html)")
    report.add_argument("--memory", metavar="SIZE", default="1GiB", help="what an analysis may hold, like 2GiB")


def _add_version_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    history = commands.add_parser("history", help="list the versions that run --publish has made")
    history.add_argument("place", metavar="DIR")
    history.add_argument("--json", action="store_true", help="print them as one JSON object")
    diff = commands.add_parser("diff", help="say how one result differs from another: layers and sensitivities")
    diff.add_argument("before", metavar="A", help="a result, such as DIR/versions/ID.zarr or DIR/latest")
    diff.add_argument("after", metavar="B", help="another")
    diff.add_argument("--shifts", type=int, default=10, metavar="N", help="how many sensitivities to show (default 10)")
    diff.add_argument("--memory", metavar="SIZE", default="1GiB", help="what it may hold, like 2GiB")
    diff.add_argument("--json", action="store_true", help="print all numbers as one JSON object")


def _add_workers(command: argparse.ArgumentParser, local: str) -> None:
    command.add_argument("--workers", type=int, metavar="N", help=local)
    command.add_argument("--cluster", metavar="FILE", help="a cluster file, or the name of a profile")
    command.add_argument("--scheduler", metavar="ADDRESS", help="a running Dask scheduler")
