#!/usr/bin/env bash
# Examine one node under Slurm, all of it: nobody else's work may run beside.
#
#   sbatch --gpus-per-node=2 deploy/slurm.sh [FOLDER [OPTION …]]
#
# FOLDER       for results; else one named after the job. What follows are options of `dwdp-hw node`.
# DWDP_IMAGE   image built from deploy/Containerfile, for clusters with enroot and pyxis; else the project runs as installed
#SBATCH --job-name=dwdp-node
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --exclusive
#SBATCH --time=00:30:00
#SBATCH --output=dwdp-node-%j.log
set -euo pipefail

folder=${1:-$SLURM_SUBMIT_DIR/dwdp-node-$SLURM_JOB_ID}
mkdir -p "$folder"

# One task: dwdp-hw starts a process for each GPU itself, and ends them.
if [[ -n ${DWDP_IMAGE:-} ]]; then
    srun --container-image="$DWDP_IMAGE" --container-mounts="$folder:/results" dwdp-hw node --out /results "${@:2}"
else
    srun dwdp-hw node --out "$folder" "${@:2}"
fi
