#!/usr/bin/env bash
# A job as a SLURM array, without a Dask scheduler: no driver to keep alive, no connections between nodes, and each
# shard is started again by SLURM. From a login node:
#     cluster/slurm-array.sh SHARDS JOB.yaml [more arguments of `jachess run`]
# What your site wants comes from sbatch's own variables: SBATCH_ACCOUNT, SBATCH_PARTITION, SBATCH_QOS, SBATCH_TIMELIMIT,
# SBATCH_MEM_PER_NODE. AT_ONCE limits how many shards run at the same time; MaxArraySize (1001 by default) their number.
#SBATCH --job-name=jachess
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=2500M
#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=jachess-%A-%a.log
#SBATCH --signal=B:USR1@60
set -euo pipefail
jachess=${JACHESS:-$(command -v jachess)}

requeue() { # what is computed stays; what is missing is computed when SLURM starts this shard again
  if [ "${SLURM_RESTART_COUNT:-0}" -lt "${RESTARTS:-5}" ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" && sleep 60
  fi
}

if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then # one shard, inside the array
  export MALLOC_TRIM_THRESHOLD_=67108864 MALLOC_MMAP_THRESHOLD_=33554432
  "$jachess" run-shard "$@" --index "$SLURM_ARRAY_TASK_ID" &
  trap 'kill $! || true; requeue; exit 3' USR1 # a minute before the walltime ends
  code=0
  wait $! || code=$?
  if [ "$code" = 3 ]; then requeue; fi
  exit "$code"
fi

shards=$1
shift
"$jachess" plan "$@" --shards "$shards"
array() { sbatch --parsable --kill-on-invalid-dep=yes --array="0-$((shards - 1))%${AT_ONCE:-$shards}" "$@"; }
computed=$(array "$0" "$@")
read_back=$(array --dependency="afterok:$computed" "$0" "$@") # each block is read from the store and checked again
sbatch --kill-on-invalid-dep=yes --dependency="afterok:$read_back" --ntasks=1 --mem=2500M --job-name=jachess-finalize \
  --output=jachess-%j.log --wrap="$(printf '%q ' "$jachess" finalize "$@")"
