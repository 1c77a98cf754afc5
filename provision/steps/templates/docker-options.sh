#!/bin/sh
# Writes DOCKER_OPTS without what daemon.json sets too, before each start of dockerd: dockerd does not start with an option
# in both places. The person's file counts. Behind the driver's address for DNS it names this host's own resolvers, so that
# containers and builds resolve outside names while the driver is stopped: dockerd asks the next server only after a failure, a refusal or 4 s.
# Arguments: the file with DOCKER_OPTS, daemon.json, the file to write, and the files with the host's resolvers.
set -f
options=${1:-/etc/default/docker} json=${2:-/etc/docker/daemon.json} result=${3:-/run/multihost-docker-options}
resolv=${4:-/etc/resolv.conf} upstream=${5:-/run/systemd/resolve/resolv.conf}
# A container cannot ask a loopback address: systemd-resolved's servers are in a file of their own. Docker asks three servers at most.
resolvers() {
  for file in "$resolv" "$upstream"; do cat "$file" && echo; done 2> /dev/null | tr -d '\r' |
    awk '$1 == "nameserver" && $2 ~ /^[0-9]+(\.[0-9]+)+$/ && split($2, part, ".") == 4 {
      for (i in part) if (part[i] > 255) next
      if (part[1] > 0 && part[1] != 127 && $2 != own && !seen[$2]++ && count++ < 2) print "--dns=" $2
    }' own="$1"
}
rm -f "$result"
DOCKER_OPTS=
[ ! -r "$options" ] || . "$options"
kept= changed= servers=0
for word in $DOCKER_OPTS; do
  name=${word#--} name=${name%%=*}
  case $word in
    --*=*) jq -e --arg name "$name" 'has($name) or has($name + "s")' "$json" > /dev/null 2>&1 && changed=yes && continue ;;
  esac
  kept="$kept $word"
  case $word in --dns=*) servers=$((servers + 1)) ;; esac
done
for word in $kept; do
  case $servers$word in
    1--dns=169.254.*)
      for resolver in $(resolvers "${word#--dns=}"); do
        kept="$kept $resolver" changed=yes
      done
      ;;
  esac
done
[ -z "$changed" ] || echo "DOCKER_OPTS=\"${kept# }\"" > "$result"
