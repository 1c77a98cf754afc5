# The build puts this text in the place of `. ./member.sh` of install.sh and of the maintainer scripts.

options=/etc/default/multihost

# The options name a store, with which the unit would start. As systemd reads them: the last assignment of the last file counts, a value
# between quotes may have several lines, and a line that ends with a backslash goes on. The pattern space begins with a line end.
configured() {
  LC_ALL=C sed -nE '
    /^[[:space:]]*[#;]/!H
    $!d
    x
    s/\\\n/ /g
    s/.*\n[[:blank:]]*MULTIHOST_OPTS[[:blank:]]*=[[:blank:]]*//
    /^("[^"]*|'\''[^'\'']*|[^\n]*)--kv-store[=[:space:]]/p
  ' /etc/default/docker "$options" 2> /dev/null | grep -q .
}

# A driver that runs without a store in these files has it from elsewhere, such as a drop-in of the unit.
should_run() {
  configured || { [ -d /run/systemd/system ] && systemctl --quiet is-active multihost.service; }
}

# A unit that was installed by hand or by the archive's install.sh wins over the Debian package's. A unit that is masked is no file.
has_other_unit() {
  [ -f /etc/systemd/system/multihost.service ] || [ -f /usr/local/lib/systemd/system/multihost.service ]
}

# A file that is there stays as it is, and so does a link that leads nowhere yet. $1 has the text of the package.
write_default_options() {
  [ ! -e "$options" ] && [ ! -L "$options" ] || return 0
  mkdir -p "$(dirname "$options")"
  cp "$1" "$options"
}

# A folder that is a mount point loses its contents alone, and the purge goes on.
remove_state() {
  for path in "$options" /var/lib/multihost /run/multihost; do
    rm -rf "$path" || true
  done
}

# A purge leaves what a person or `multihost init` put there: the store's authority and token, and a Consul that other hosts may need.
say_what_stays() {
  for path in /etc/multihost /var/lib/multihost-consul; do
    [ ! -e $path ] || echo "multihost: $path stays. Remove it when no host of the cluster needs it: rm -r $path"
  done
}

# A host with an identity is a member, also while its options are gone.
is_member() {
  [ -e /var/lib/multihost/host.json ]
}

say_how_to_join() {
  if is_member; then
    echo "multihost: this host is a member, and its options are gone. See 'multihost doctor'"
    return 0
  fi
  echo 'multihost: this host is a member of no cluster. Next: multihost join consul://HOST:8500, or multihost init where there is no Consul'
}

# Takes a member out of its cluster, and a host whose join was interrupted: $1 is the command multihost. Fails where that is refused.
leave() {
  [ -d /run/systemd/system ] || return 0
  is_member || configured || return 0
  "$1" leave && return 0
  # It never joined: what `leave` could not read or reach holds nothing of this host.
  is_member || return 0
  echo "multihost: this host stays a member of its cluster, and the driver stays installed. See 'multihost leave --force'." >&2
  return 1
}
