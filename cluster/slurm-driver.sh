#!/usr/bin/env bash
# The command itself as a job of SLURM, which submits the workers' jobs: nothing stays behind on a login node, and if its
# walltime ends, the same line goes on with what is missing.
#     sbatch cluster/slurm-driver.sh JOB.yaml --cluster cluster/slurm.yaml [more arguments of `jachess run`]
#SBATCH --job-name=jachess
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=2500M
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=jachess-%j.log
set -euo pipefail
jachess=${JACHESS:-jachess}
for name in "${!SLURM_@}"; do # what this job was given is not for the workers' jobs
  [ "$name" = SLURM_CONF ] || unset "$name"
done
exec "$jachess" run "$@"
