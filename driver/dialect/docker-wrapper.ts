/**
 * `/usr/local/bin/docker`: the script in front of the real command, which translates the commands of the
 * walkthrough.
 *
 * The script looks at the first words, and hands on nearly every command with `exec`, without a further
 * process: about 1 ms. A plain `docker run` gets the default network from the shell alone, once the driver
 * has recorded that the network exists. For the rest the script asks the driver over its socket: with curl,
 * or else with `multihost docker`, which takes longer. The driver does the work and answers with a script:
 * what to print, and the words for the final call of docker, if there is one. So a container's terminal,
 * signals and exit code are docker's own.
 *
 * Written in POSIX shell with builtins only. The tables of options are those of docker-options.ts.
 */
import { type Flags, globalFlags, runFlags } from './docker-options.ts'

export interface WrapperPaths {
  /** The real command. */
  docker?: string
  multihost?: string
  curl?: string
  /** The driver's folder in /run. */
  runFolder?: string
  /** The engine's data, with the state of its swarm. */
  dockerFolder?: string
}

/** The script, which an administrator may read: it has comments of its own. */
export function wrapperText(paths: WrapperPaths): string {
  const all = {
    docker: '/usr/bin/docker',
    multihost: '/usr/local/bin/multihost',
    curl: '/usr/bin/curl',
    runFolder: '/run/multihost',
    dockerFolder: '/var/lib/docker',
    ...paths,
  }
  return [beginning(all), findCommand(), chooseByCommand(), readRunOptions(), runWithNetwork(all)].join('')
}

/** Steps aside for other engines, and defines the functions that ask the driver. */
function beginning({ docker, multihost, curl, runFolder, dockerFolder }: Required<WrapperPaths>): string {
  return `#!/bin/sh
# Written by multihost's provisioning. Hands on to ${docker} each command that it does not translate: see docs/dialect.md.
# Steps aside altogether with MULTIHOST_DIALECT=off.
docker=${docker}
multihost=${multihost}

[ "\${MULTIHOST_DIALECT-}" != off ] || exec "$docker" "$@"
# This host is a member of no cluster: the driver's unit makes the folder before Docker starts.
[ -d ${runFolder} ] || exec "$docker" "$@"
# For another engine than this host's, and in a swarm, nothing is translated.
case \${DOCKER_HOST-} in '' | unix:///var/run/docker.sock | unix:///run/docker.sock) ;; *) exec "$docker" "$@" ;; esac
case \${DOCKER_CONTEXT-} in '' | default) ;; *) exec "$docker" "$@" ;; esac

custom=
# Sets custom if the file names a context: whose context it is, only the translation finds out.
look() {
  config=\${DOCKER_CONFIG:-\${HOME-}/.docker}/config.json
  [ -r "$config" ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in *'"currentContext"'*) custom=yes ;; esac
  done < "$config"
}

ask() {
  n=0
  for word do
    n=$((n + 1))
    [ "$n" -gt 1 ] || set --
    set -- "$@" --data-urlencode "w=$word"
  done
  ${curl} -q --noproxy '*' --silent --fail --max-time 60 --unix-socket ${runFolder}/control.sock "$@" http://multihost/docker
}

# Runs the script that the driver answers; does not return.
translate() {
  [ ! -e ${dockerFolder}/swarm/docker-state.json ] || exec "$docker" "$@"
  look
  if [ -z "$custom" ] && [ -w ${runFolder}/control.sock ] && [ -x ${curl} ]; then
    answer=$(ask "$@") && eval "$answer"
  fi
  [ -x "$multihost" ] || exec "$docker" "$@"
  answer=$("$multihost" docker --script "$@") && eval "$answer"
  exit 1
}

`
}

/** Skips docker's global options: sets `$at`, `$command` and `$sub`. */
function findCommand(): string {
  return `# The command: behind docker's own options.
at=0 skip= command= sub=
for word do
  at=$((at + 1))
  if [ -n "$skip" ]; then
    case $skip$word in
      host=unix:///var/run/docker.sock | host=unix:///run/docker.sock | context=default | value=*) skip= ;;
      *) exec "$docker" "$@" ;;
    esac
    continue
  fi
  if [ -z "$command" ]; then
    case $word in
      -H | --host) skip=host= ;;
      -c | --context) skip=context= ;;
      -H=unix:///var/run/docker.sock | -Hunix:///var/run/docker.sock | --host=unix:///var/run/docker.sock) ;;
      --context=default | -c=default | -cdefault) ;;
      -H* | --host=* | -c* | --context=*) exec "$docker" "$@" ;;
      --config | --config=*) custom=yes; [ "$word" != --config ] || skip=value= ;;
      ${pattern(globalFlags.valued.filter((name) => !['host', 'context', 'config'].includes(name)))} | -l) skip=value= ;;
      --*=* | ${pattern(globalFlags.plain)} | -D) ;;
      service) translate "$@" ;;
      run | create) command=run; break ;;
      container | network) command=$word ;;
      *) exec "$docker" "$@" ;;
    esac
    continue
  fi
  sub=$word
  break
done

`
}

/** Goes on for `run` and `create` only. */
function chooseByCommand(): string {
  return `case $command-$sub in
  run- | container-run | container-create) ;;
  network-ls | network-list | network-rm | network-remove) translate "$@" ;;
  network-create)
    whole= ipam=
    for word do
      case $word in
        overlay | -doverlay | -d=overlay | --driver=overlay) translate "$@" ;;
        vxlan | -dvxlan | -d=vxlan | --driver=vxlan) whole=no ;;
        --ipam-driver | --ipam-driver=*) ipam=given ;;
      esac
    done
    [ "$whole$ipam" != no ] || translate "$@"
    exec "$docker" "$@"
    ;;
  network-inspect | network-connect | network-disconnect)
    # Perhaps a cluster-wide id.
    for word do
      case $word in *[!0-9a-f]* | '') ;; *) translate "$@" ;; esac
    done
    exec "$docker" "$@"
    ;;
  *) exec "$docker" "$@" ;;
esac

`
}

/** Sets `$image` and `$network`. */
function readRunOptions(): string {
  return `# run and create: is there an image, and does an option name a network?
n=0 skip= network= image=
for word do
  n=$((n + 1))
  [ "$n" -gt "$at" ] || continue
  if [ -n "$skip" ]; then
    [ "$skip" != network ] || network=$word
    skip=
    continue
  fi
  case $word in
    --publish-service | --publish-service=*) translate "$@" ;;
    --net | --network) skip=network ;;
    --net=* | --network=*) network=\${word#*=} ;;
    --) continue ;;
    ${pattern(runFlags.valued.filter((name) => !['net', 'network', 'publish-service'].includes(name)))}) skip=value ;;
    ${pattern(runFlags.plain)}) ;;
    --*=*)
      case \${word%%=*} in
        ${pattern([...runFlags.valued, ...runFlags.plain])}) ;;
        *) exec "$docker" "$@" ;;
      esac
      ;;
    --* | -) exec "$docker" "$@" ;;
    -*)
      letters=\${word#-}
      while [ -n "$letters" ]; do
        rest=\${letters#?}
        case \${letters%"$rest"} in
          [${runFlags.valuedLetters}]) [ -n "$rest" ] || skip=value; rest= ;;
          [${runFlags.plainLetters}]) case $rest in =*) rest= ;; esac ;;
          *) exec "$docker" "$@" ;;
        esac
        letters=$rest
      done
      ;;
    *) image=$word; break ;;
  esac
done
`
}

function runWithNetwork({ runFolder, dockerFolder }: Required<WrapperPaths>): string {
  return `[ -n "$image" ] || exec "$docker" "$@"
case $network in
  '') ;;
  # Perhaps a cluster-wide id.
  *[!0-9a-f]*) exec "$docker" "$@" ;;
  *) translate "$@" ;;
esac

# The default network.
look
[ -z "$custom" ] || translate "$@"
{ read -r network < ${runFolder}/default-network; } 2> /dev/null || translate "$@"
[ ! -e ${dockerFolder}/swarm/docker-state.json ] || exec "$docker" "$@"
n=0
for word do
  n=$((n + 1))
  [ "$n" -gt 1 ] || set --
  set -- "$@" "$word"
  [ "$n" -ne "$at" ] || set -- "$@" --network "$network"
done
exec "$docker" "$@"
`
}

function pattern(names: Flags['valued']): string {
  return names.map((name) => `--${name}`).join(' | ')
}
