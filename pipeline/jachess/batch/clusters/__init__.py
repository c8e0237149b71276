"""Workers: local processes by default, or those of the cluster or scheduler that the job names."""

from jachess.batch.clusters.choice import absence, chosen, names_others
from jachess.batch.clusters.file import ClusterFile, read_cluster_file
from jachess.batch.clusters.local import n_workers
from jachess.batch.clusters.lost import ClusterLost
from jachess.batch.clusters.workers import workers

__all__ = [
    "ClusterFile",
    "ClusterLost",
    "absence",
    "chosen",
    "n_workers",
    "names_others",
    "read_cluster_file",
    "workers",
]
