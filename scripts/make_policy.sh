#!/bin/sh
# Makes the bundled policy from nothing: records demonstrations through the nodes, trains, trains on. About 40 minutes on two cores.
#   sh scripts/make_policy.sh [FOLDER] [quick]
# FOLDER (default episodes/bundled) gets the demonstrations and the checkpoint `tabletop`, to be copied to policy_server/checkpoints.
# With `quick`, one episode each and a few steps show that the chain works.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-episodes/bundled}
quick=${2:-}
first=8000
then=4500
[ -z "$quick" ] || { first=20; then=20; }

stage() { .venv/bin/python -m stage_bringup.cli.main "$@"; }

collect() {  # collect TASK SEED EPISODES NOISE
    episodes=$3
    [ -z "$quick" ] || episodes=1
    stage collect --source scripted --tasks "$1" --seed "$2" --episodes "$episodes" --noise "$4" --output "$folder/demonstrations/$1"
}

for task in PushCube PullCube PickCube StackCube LiftPegUpright; do
    collect "$task" 0 50 0.004
    collect "$task" 1000 50 0.008
done
# PushCube is the demo's task: it gets more demonstrations, and the second training leans on them.
collect PushCube 2000 45 0.006
collect PushCube 3000 45 0.010

stage train bc --config tabletop --episodes "$folder"/demonstrations/* --output "$folder/first" --steps "$first"
stage train bc --config tabletop --episodes "$folder"/demonstrations/* --output "$folder/tabletop" --initial "$folder/first" --steps "$then" --learning-rate 5e-4
