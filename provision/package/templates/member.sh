# The build puts this text in the place of `. ./member.sh` of install.sh and of the maintainer scripts.

# The options name a store, with which the unit would start.
configured() {
  grep -qsE '^[[:space:]]*MULTIHOST_OPTS=.*--kv-store[= ]' /etc/default/multihost /etc/default/docker
}

# A purge leaves what a person or `multihost init` put there: the store's authority and token, and a Consul that other hosts may need.
say_what_stays() {
  for path in /etc/multihost /var/lib/multihost-consul; do
    [ ! -e $path ] || echo "multihost: $path stays. Remove it when no host of the cluster needs it: rm -r $path"
  done
}

say_how_to_join() {
  if [ -e /var/lib/multihost/host.json ]; then
    echo "multihost: this host is a member, and its options are gone. See 'multihost doctor'"
    return 0
  fi
  echo 'multihost: this host is a member of no cluster. Next: multihost join consul://HOST:8500, or multihost init where there is no Consul'
}

# Takes a member out of its cluster, and a host whose join was interrupted: $1 is the command multihost. Fails where that is refused.
leave() {
  [ -d /run/systemd/system ] || return 0
  [ -e /var/lib/multihost/host.json ] || configured || return 0
  "$1" leave && return 0
  # It never joined: what `leave` could not read or reach holds nothing of this host.
  [ -e /var/lib/multihost/host.json ] || return 0
  echo "multihost: this host stays a member of its cluster, and the driver stays installed. See 'multihost leave --force'." >&2
  return 1
}
