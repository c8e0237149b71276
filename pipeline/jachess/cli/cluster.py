"""The command ``cluster``: what a cluster file comes to, and whether it works."""

from __future__ import annotations

import argparse

from jachess.cli.answers import COMPLETE


def cluster(options: argparse.Namespace) -> int:
    """Show or check a cluster file, or a profile."""
    from jachess.batch.clusters import read_cluster_file
    from jachess.batch.clusters.inspection import check, show

    file = read_cluster_file(options.file)
    if options.what == "show":
        print(show(file))
    else:
        for line in check(file, options.out):
            print(line, flush=True)
    return COMPLETE
