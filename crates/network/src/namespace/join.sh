# Lets a pod with a network of its own reach the machine's cluster addresses, and the other way round.
# Arguments: the file of its network namespace, its address.
set -e
PATH=$PATH:/usr/sbin:/sbin
for program in ip nsenter iptables; do
    command -v $program >/dev/null || { echo "$program is missing; install iproute2, util-linux and iptables" >&2; exit 1; }
done

# What else listens on the machine's loopback trusts whoever reaches it: from outside the machine's own network nobody may.
keep_out() { iptables --wait 10 -t raw "$1" PREROUTING ! -i lo -d "$2" -j DROP; }
for others in 127.0.0.0/10 127.192.0.0/10; do
    keep_out -C $others 2>/dev/null || keep_out -I $others
done

# Kernels take loopback addresses on other devices only where told so.
outside=$(ip -o route get "$2" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
echo 1 >"/proc/sys/net/ipv4/conf/$outside/route_localnet"
nsenter --net="$1" sh -ec '
    set -- $(ip -4 route show default | head -n 1)
    [ "$2" = via ] && [ "$4" = dev ] || { echo "the pod has no default route" >&2; exit 1; }
    echo 1 >"/proc/sys/net/ipv4/conf/$5/route_localnet"
    # In this table, for it is asked first and calls all of 127.0.0.0/8 the pod'"'"'s own.
    for cluster in 127.64.0.0/10 127.128.0.0/10; do
        ip route replace table local $cluster via "$3" dev "$5" src "$0"
    done
' "$2"
