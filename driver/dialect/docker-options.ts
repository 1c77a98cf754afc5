/**
 * Which of docker's options take a value. The parsers need the list to distinguish an option's value from a
 * command or an image.
 *
 * From `docker --help` and `docker run --help` of 20.10, 26 and 28, with the hidden options of docker/cli
 * (cli/command/container/opts.go). With an option that is not here the wrapper steps aside: a newer docker
 * has it.
 */
export interface Flags {
  /** Long names of options with a value. */
  valued: readonly string[]
  /** Long names of options without a value. */
  plain: readonly string[]
  /** Short names of options with a value, one letter each. */
  valuedLetters: string
  plainLetters: string
}

/** Docker's global options, which stand before the command. */
export const globalFlags: Flags = {
  valued: ['config', 'context', 'host', 'log-level', 'tlscacert', 'tlscert', 'tlskey'],
  plain: ['debug', 'tls', 'tlsverify'],
  valuedLetters: 'cHl',
  plainLetters: 'D',
}

/** Of `run` and `create`. */
export const runFlags: Flags = {
  valued: words(`
    add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns
    cidfile cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus
    cpuset-cpus cpuset-mems detach-keys device device-cgroup-rule device-read-bps device-read-iops
    device-write-bps device-write-iops dns dns-opt dns-option dns-search domainname entrypoint env
    env-file expose gpus group-add health-cmd health-interval health-retries health-start-interval
    health-start-period health-timeout hostname io-maxbandwidth io-maxiops ip ip6 ipc isolation
    kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory
    memory-reservation memory-swap memory-swappiness mount name net net-alias network network-alias
    oom-score-adj pid pids-limit platform publish publish-service pull restart runtime security-opt
    shm-size stop-signal stop-timeout storage-opt sysctl tmpfs ulimit user userns uts volume
    volume-driver volumes-from workdir
  `),
  plain: words(`
    detach disable-content-trust init interactive no-healthcheck oom-kill-disable privileged publish-all
    quiet read-only rm sig-proxy tty use-api-socket
  `),
  valuedLetters: 'acehlmpuvw',
  plainLetters: 'dPqit',
}

/** Of `network connect`. */
export const connectFlags: Flags = {
  valued: ['alias', 'driver-opt', 'gw-priority', 'ip', 'ip6', 'link', 'link-local-ip'],
  plain: [],
  valuedLetters: '',
  plainLetters: '',
}
/** Of `disconnect` and `rm`. */
export const forceFlags: Flags = {
  valued: [],
  plain: ['force'],
  valuedLetters: '',
  plainLetters: 'f',
}
export const inspectFlags: Flags = {
  valued: ['format'],
  plain: ['verbose'],
  valuedLetters: 'f',
  plainLetters: 'v',
}
export const listFlags: Flags = {
  valued: ['filter', 'format'],
  plain: ['no-trunc', 'quiet'],
  valuedLetters: 'f',
  plainLetters: 'q',
}
export const createFlags: Flags = {
  valued: words(`
    aux-address config-from driver gateway ip-range ipam-driver ipam-opt label opt scope subnet
  `),
  plain: ['attachable', 'config-only', 'ingress', 'internal', 'ipv4', 'ipv6'],
  valuedLetters: 'do',
  plainLetters: '',
}

function words(text: string): string[] {
  return text.trim().split(/\s+/)
}
