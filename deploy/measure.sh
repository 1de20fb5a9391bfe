#!/usr/bin/env bash
# On a node with GPUs: hardware tests, this machine's constants, how well they predict, and one file of all that.
#
#   deploy/measure.sh CLUSTER FOLDER
#
# CLUSTER is what the calibration starts from, the nearest of conf/cluster (h200_x2, hgx_h200, dgx_b200, …; with one GPU
# h100_x1_host). FOLDER gets everything; FOLDER/node.zip is the bundle, without who you are. Exit code 1: measured, and the
# constants do not predict well enough, which FOLDER/validation/report.html explains.
set -euo pipefail

cluster=${1:?a cluster to start from is wanted, such as h200_x2}
folder=${2:?a folder for the results is wanted}
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
node=$folder/conf/cluster/node.yaml
mkdir -p "$folder"

warned() { # exit code 1 is something to know and stops nothing; any other does, as that of a missing GPU
    [[ $1 -eq 1 ]] || exit "$1"
}

dwdp-hw health || warned $?
python -m pytest -m gpu "$source/tests/dwdp_hw"

# A single command for the node will replace these two lines.
dwdp-hw mode=calibrate cluster="$cluster" check.name=node check.out="$node" hydra.run.dir="$folder/calibration"
verdict=0 && dwdp-hw --config-dir "$folder/conf" mode=validate cluster=node hydra.run.dir="$folder/validation" || verdict=$?

[[ $verdict -le 1 ]] || exit "$verdict"
dwdp-hw health "$folder"/calibration/calibration_rows_*.json || warned $?
dwdp-hw bundle "$folder/calibration" "$folder/validation" "$node" --out "$folder/node.zip"
dwdp-hw check "$folder/node.zip"
exit "$verdict"
