#!/usr/bin/env bash
# A Slurm of two nodes on the loopback interface, for tests: slurm_cluster.sh start|stop FOLDER [PORT]
# It needs Debian's slurm-wlm and munge, no systemd and no cgroups. FOLDER must have a short path. PORT and the two
# after it must be free.
set -euo pipefail
FOLDER=$2 PORT=${3:-16917}
export SLURM_CONF=$FOLDER/slurm.conf PATH=$PATH:/usr/sbin:/sbin
NODES="node1 node2"

launch() { # NAME COMMAND...: a daemon in a session of its own
    local name=$1
    shift
    setsid "$@" >"$FOLDER/$name.log" 2>&1 </dev/null &
    echo $! >"$FOLDER/$name.pid"
}

until_ready() { # COMMAND...
    for _ in $(seq 150); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    tail -n 20 "$FOLDER"/*.log >&2
    exit 1
}

is_idle() { sinfo --noheader --Node --nodes "$1" --format %T | grep -qx idle; }

configure() {
    mkdir -p "$FOLDER"/bin "$FOLDER"/state
    chmod 755 "$FOLDER"
    (umask 077 && head -c 128 /dev/urandom >"$FOLDER/munge.key")
    # submitit asks sacct, which needs a data base, how jobs are; squeue knows it too, for MinJobAge after their end.
    cat >"$FOLDER/bin/sacct" <<'SACCT'
#!/usr/bin/env bash
echo 'JobID|State|NodeList'
while [ $# -gt 0 ]; do
    if [ "$1" = -j ]; then squeue --noheader --array --states=all --jobs="$2" --format='%i|%T|%N'; fi
    shift
done
SACCT
    chmod +x "$FOLDER/bin/sacct"
    local host port=$PORT name
    host=$(hostname -s)
    cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$FOLDER/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$FOLDER/state
SlurmdSpoolDir=$FOLDER/spool-%n
SlurmctldPidFile=$FOLDER/slurmctld.own.pid
SlurmdPidFile=$FOLDER/slurmd-%n.own.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
MailProg=/bin/true
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
InactiveLimit=0
KillWait=5
MinJobAge=600
SchedulerParameters=sched_interval=2,bf_interval=2
CONF
    for name in $NODES; do
        port=$((port + 1))
        mkdir -p "$FOLDER/spool-$name"
        echo "NodeName=$name NodeHostname=$host NodeAddr=127.0.0.1 Port=$port CPUs=1 RealMemory=3000" >>"$SLURM_CONF"
    done
    echo "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP" >>"$SLURM_CONF"
}

start() {
    configure
    launch munged munged --foreground --force --key-file="$FOLDER/munge.key" --socket="$FOLDER/munge.socket" \
        --pid-file="$FOLDER/munged.own.pid" --log-file="$FOLDER/munged.log" --seed-file="$FOLDER/munged.seed"
    until_ready munge --no-input --socket="$FOLDER/munge.socket"
    launch slurmctld slurmctld -D
    until_ready scontrol ping
    for name in $NODES; do launch "slurmd-$name" slurmd -D -N "$name"; done
    for name in $NODES; do until_ready is_idle "$name"; done
}

stop() {
    timeout 10 scancel --user="$(id -un)" || true
    sleep 1
    for pid in "$FOLDER"/slurmd-*[12].pid "$FOLDER"/slurmctld.pid "$FOLDER"/munged.pid; do
        kill "$(cat "$pid")" 2>/dev/null || true
    done
}

"$1"
