# The build puts this text in the place of `. ./member.sh` of install.sh and of the maintainer scripts.

# Takes a member out of its cluster: $1 is the command multihost. Fails where that is refused.
leave() {
  [ -d /run/systemd/system ] && [ -e /var/lib/multihost/host.json ] || return 0
  "$1" leave && return 0
  echo "multihost: this host stays a member of its cluster, and the driver stays installed. See 'multihost leave --force'." >&2
  return 1
}
