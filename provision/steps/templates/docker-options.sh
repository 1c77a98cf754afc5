#!/bin/sh
# Writes DOCKER_OPTS without what daemon.json sets too, before each start of dockerd: dockerd does not start with an option
# in both places. The person's file counts. Arguments: the file with DOCKER_OPTS, daemon.json, the file to write.
set -f
options=${1:-/etc/default/docker} json=${2:-/etc/docker/daemon.json} result=${3:-/run/multihost-docker-options}
rm -f "$result"
DOCKER_OPTS=
[ ! -r "$options" ] || . "$options"
kept= dropped=
for word in $DOCKER_OPTS; do
  name=${word#--} name=${name%%=*}
  case $word in
    --*=*) jq -e --arg name "$name" 'has($name) or has($name + "s")' "$json" > /dev/null 2>&1 && dropped=yes && continue ;;
  esac
  kept="$kept $word"
done
[ -z "$dropped" ] || echo "DOCKER_OPTS=\"${kept# }\"" > "$result"
