# Argument: the directory, with config.toml and pause.tar in it.
set -e
trap '' PIPE
cd "$1"
ctr() { command ctr --address "$PWD/c.sock" --namespace k8s.io "$@"; }
for program in containerd ctr runc cc setsid; do
    command -v $program >/dev/null || { echo "$program is missing"; exit 1; }
done
[ -x /usr/lib/cni/ptp ] || { echo "the CNI plugins are missing from /usr/lib/cni"; exit 1; }

start() {
    # A session of its own: what interrupts the tests reaches it through its input alone.
    setsid containerd --config config.toml >>containerd.log 2>&1 &
    server=$!
    tries=0
    until ctr version >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 400 ] && kill -0 $server 2>/dev/null || { cat containerd.log; exit 1; }
        sleep 0.05
    done
}

start
ctr images import pause.tar >import.log 2>&1 || { cat import.log; kill $server; exit 1; }
echo ready
while read -r word; do
    case $word in
        kill) kill -9 $server; wait $server 2>/dev/null || true ;;
        start) start ;;
    esac
    echo done
done

set +e
namespaces=$(grep -rhos '/run/netns/cni-[0-9a-f-]*' state/io.containerd.runtime.v2.task | sort -u)
for task in $(ctr tasks ls --quiet 2>/dev/null); do
    ctr tasks rm --force "$task" >/dev/null 2>&1
done
kill $server
wait $server 2>/dev/null
# Processes that watch over containers outlive a containerd that was killed: each names the socket it reports to.
for watcher in $(pgrep -f "^/usr/bin/containerd-shim.* -address $PWD/c.sock"); do kill -9 "$watcher"; done
for namespace in $namespaces; do umount "$namespace" 2>/dev/null; rm -f "$namespace"; done
grep -o " $PWD/[^ ]*" /proc/mounts | sort -r | xargs -r umount -l
find /sys/fs/cgroup -depth -type d -path "*/sampan-test-$(basename "$PWD")*" -exec rmdir {} + 2>/dev/null
cd /
rm -rf "$1"
