#!/usr/bin/env bash
# Scheduler, workers and run in one allocation: nothing is submitted from inside. Under SLURM one worker a task:
#     sbatch --ntasks=4 cluster/allocation.sh JOB.yaml [more arguments of `jachess run`]
# Elsewhere with what starts processes there: LAUNCH="mpiexec -n 4" cluster/allocation.sh JOB.yaml. MEMORY is that of one
# worker, INTERFACE the network interface, like ib0; PYTHON one that has jachess.
#SBATCH --job-name=jachess
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2500M
#SBATCH --time=01:00:00
#SBATCH --output=jachess-%j.log
set -euo pipefail
python=${PYTHON:-python} launch=${LAUNCH:-srun}
folder=$(mktemp -d "$HOME/.jachess-keys-XXXXXX") # of mode 0700; on a file system that all nodes share
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$folder"' EXIT

# keys of this run alone: whoever does not hold them reaches neither scheduler nor workers
"$python" -c "
import sys, pathlib, distributed
keys, folder = distributed.Security.temporary(), pathlib.Path(sys.argv[1])
(folder / 'cert.pem').write_text(keys.tls_ca_file)
(folder / 'key.pem').write_text(keys.tls_scheduler_key)
" "$folder"
comm=DASK_DISTRIBUTED__COMM
export "${comm}__REQUIRE_ENCRYPTION=True" "${comm}__DEFAULT_SCHEME=tls" "${comm}__TLS__CA_FILE=$folder/cert.pem"
for role in SCHEDULER WORKER CLIENT; do
  export "${comm}__TLS__${role}__CERT=$folder/cert.pem" "${comm}__TLS__${role}__KEY=$folder/key.pem"
done

# as jachess sets them for workers that it starts itself
export MALLOC_TRIM_THRESHOLD_=67108864 MALLOC_MMAP_THRESHOLD_=33554432
export DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0 DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="15 minutes"
memory=DASK_DISTRIBUTED__WORKER__MEMORY
export "${memory}__TARGET=False" "${memory}__SPILL=False" "${memory}__PAUSE=False" "${memory}__TERMINATE=0.97"

common=(--protocol tls:// --scheduler-file "$folder/scheduler.json" --dashboard-address 127.0.0.1:0
  ${INTERFACE:+--interface "$INTERFACE"})
log=${LOG:-jachess-dask-$$.log} # what scheduler and workers say, also when they are ended
"$python" -m distributed.cli.dask_scheduler --port 0 "${common[@]}" >>"$log" 2>&1 &
$launch "$python" -m distributed.cli.dask_worker --nthreads 1 --memory-limit "${MEMORY:-2400MB}" --death-timeout 300 \
  "${common[@]}" >>"$log" 2>&1 &
until [ -s "$folder/scheduler.json" ]; do sleep 0.2; done
"$python" -m jachess run "$@" --scheduler "$folder/scheduler.json"
