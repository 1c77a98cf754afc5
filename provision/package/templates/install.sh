#!/bin/sh
# Installs multihost on a Linux host with systemd, from the folder of this script. Again: an upgrade.
#
#   ./install.sh                      as root
#   ./install.sh --uninstall          takes a member out of its cluster, and removes the programs
#   ./install.sh --uninstall --purge  removes options and state too
#
# Where the Debian package is installed too, its driver takes over: host, options and state stay as they are.
set -e
# Every user may run the command, also when the umask of root is 077.
umask 022
# The PATH of root by su(1) has no folder of bridge and nft on Debian.
PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/sbin:/sbin
export PATH
cd "$(dirname "$0")"

. ./member.sh

unit=/usr/local/lib/systemd/system/multihost.service
is_new=

files() {
  (cd root && find . -type f | sed 's/^\.//' | sort)
}

# Of the archive, without those that every system has; the innermost first.
folders() {
  (cd root && find ./usr/local/lib ./usr/local/share -mindepth 1 -depth -type d ! -path '*/share/man') | sed 's/^\.//'
}

systemd() {
  [ ! -d /run/systemd/system ] || systemctl "$@"
}

uninstall() {
  if has_package; then
    echo 'multihost: the driver of the Debian package takes over, and this host stays what it is'
  else
    leave /usr/local/bin/multihost
    if [ -e "$unit" ]; then
      systemd stop multihost.service
      systemctl disable --quiet multihost.service
    fi
  fi
  files | while read -r file; do rm -f "$file" "$file.new"; done
  folders | while read -r folder; do rmdir "$folder" 2> /dev/null || true; done # others may have files there
  systemd daemon-reload
  if has_package; then
    # The links for its start lead to the unit that is gone.
    if is enabled; then systemctl reenable --quiet multihost.service; fi
    if is active; then systemd restart multihost.service; fi
  elif [ "$1" = --purge ]; then
    remove_state
    say_what_stays
  fi
}

# The Debian package's unit, which the archive's has hidden. One in /etc wins over both, and may run the archive's programs.
has_package() {
  [ -f /usr/lib/systemd/system/multihost.service ] && [ ! -f /etc/systemd/system/multihost.service ]
}

install_files() {
  [ -e "$unit" ] || is_new=yes
  for command in ip bridge nft systemd-notify; do
    command -v $command > /dev/null || echo "multihost: the driver needs the command $command: install it" >&2
  done
  # The unit comes last: where it is, everything else is too.
  { files | grep -vxF "$unit"; echo "$unit"; } | while read -r file; do
    mkdir -p "$(dirname "$file")"
    # A running program cannot be written to: the new file takes the place of the old one.
    cp "root$file" "$file.new" || { rm -f "$file.new"; exit 1; }
    chmod u=rwX,go=rX "$file.new" # unpacked under another umask
    mv "$file.new" "$file"
  done
  folders | grep '/multihost$' | while read -r folder; do chmod go+rX "$folder"; done # of an earlier installation
  write_default_options /usr/local/share/multihost/multihost.default
  systemd daemon-reload
  # Without a store the unit would fail at each start of the host: join enables it. A unit that a person has disabled stays so.
  if configured && [ "$is_new" = yes ]; then systemctl enable --quiet multihost.service; fi
  if ! should_run; then
    say_how_to_join
  elif is enabled || is active; then
    systemd restart multihost.service
  else
    echo 'multihost: multihost.service is disabled, and stays so. To start it: systemctl enable --now multihost'
  fi
}

is() {
  systemctl --quiet "is-$1" multihost.service
}

case $* in
  '' | --uninstall | '--uninstall --purge') ;;
  *) sed -n '2,/^set/s/^#//p' "${0##*/}"; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || { echo 'multihost: run this as root' >&2; exit 1; }
if [ "$1" = --uninstall ]; then uninstall "$2"; else install_files; fi
