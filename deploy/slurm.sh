#!/usr/bin/env bash
# Measure one node under Slurm, all of it: nobody else's work may run beside.
#
#   sbatch --gpus-per-node=2 deploy/slurm.sh h200_x2 [FOLDER]
#
# DWDP_IMAGE   image built from deploy/Containerfile, for clusters with enroot and pyxis; else the project runs as installed
# DWDP_SOURCE  source tree where no image is used; else the folder in which sbatch was given
#SBATCH --job-name=dwdp-measure
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --exclusive
#SBATCH --time=00:45:00
#SBATCH --output=dwdp-measure-%j.log
set -euo pipefail

cluster=${1:?a cluster to start from is wanted, such as h200_x2}
folder=${2:-$SLURM_SUBMIT_DIR/dwdp-measure-$SLURM_JOB_ID}
mkdir -p "$folder"

# One task: dwdp-hw starts a process for each GPU itself, and ends them.
if [[ -n ${DWDP_IMAGE:-} ]]; then
    srun --container-image="$DWDP_IMAGE" --container-mounts="$folder:/results" \
        bash /opt/dwdp/deploy/measure.sh "$cluster" /results
else
    srun bash "${DWDP_SOURCE:-$SLURM_SUBMIT_DIR}/deploy/measure.sh" "$cluster" "$folder"
fi
