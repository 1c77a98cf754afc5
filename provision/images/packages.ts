/**
 * Debian's packages on lab hosts, virtual machines and in the container image: the one list of them.
 */

/** Command that the walkthrough or the steps type on a host → its package. */
export const hostCommands: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  iptables: 'iptables',
  ping: 'iputils-ping',
  tcpdump: 'tcpdump',
  iperf3: 'iperf3',
  curl: 'curl',
  jq: 'jq',
  ps: 'procps',
}

/** A Debian system that boots and lets us in. */
export const systemPackages: readonly string[] =
  'systemd systemd-sysv dbus udev openssh-server sudo ca-certificates less'.split(' ')

/** What runs the driver. */
export const driverPackages: readonly string[] = ['nodejs']

/** Programs that clusters of people's run, for scenarios/programs. */
export const realPrograms: readonly string[] =
  'redis-server redis-tools etcd-server etcd-client postgresql docker-compose'.split(' ')

/** Commands that the walkthrough types in a container. */
export const containerPackages: readonly string[] = ['iproute2', 'iputils-ping', 'iperf3', 'tcpdump']
