/**
 * The engine's configuration as it was before the steps changed it, in a folder on the host. It comes back
 * when a step fails before the engine runs with the new one.
 *
 * The folder outlives a run that was killed. It counts as long as the person's part of the options file is
 * the same: a later edit of the person's is never replaced.
 */
import { optionsFile } from '../../driver/membership/options-file.ts'
import type { Step, StepContext } from './step.ts'
import { succeeds } from './step.ts'

const drops = '/etc/systemd/system'
/** Files of ours that make dockerd another one than before, and the options file. */
export const engineFiles = {
  /** Sorted behind other drop-ins, whose ExecStart it continues. */
  command: `${drops}/docker.service.d/zz-multihost-docker.conf`,
  /** Sorted behind the one above: this ExecStart counts. */
  programs: `${drops}/docker.service.d/zz-multihost-engine.conf`,
  containerd: `${drops}/containerd.service.d/zz-multihost-engine.conf`,
  beforeStart: `${drops}/docker.service.d/zzz-multihost-options.conf`,
  script: '/usr/local/lib/multihost-lab/docker-options',
}
const files = [optionsFile, ...Object.values(engineFiles)].join(' ')
const folder = '/var/lib/multihost-lab/earlier-engine'
/** The driver too: it reads the options file. */
const units = 'docker containerd multihost'
const enabled = 'docker multihost'

const mainPid = 'systemctl show -p MainPID --value'
const others = `options=${optionsFile}; others() { awk '/^# multihost: begin/ { ours = 1 } !ours; /^# multihost: end/ { ours = 0 }' $1 2> /dev/null; }`
const counts = `[ -d ${folder} ] && [ "$(others ${folder}$options)" = "$(others $options)" ]`

/** Before a step's first change. */
export async function keepEngine({ $ }: StepContext): Promise<void> {
  const part = `${folder}.part`
  const lines = [
    `${others}; ${counts} && exit`,
    `set -e; rm -rf ${folder} ${part}; mkdir -p ${part}; chmod 700 ${part}`,
    `for file in ${files}; do if [ -e $file ]; then mkdir -p $(dirname ${part}$file); cp -p $file ${part}$file; fi; done`,
    `for unit in ${units}; do ${mainPid} $unit > ${part}/$unit; done`,
    `for unit in ${units} docker.socket; do if systemctl -q is-active $unit; then echo $unit; fi; done > ${part}/active`,
    `for unit in ${enabled}; do if systemctl -q is-enabled $unit 2> /dev/null; then echo $unit; fi; done > ${part}/enabled`,
    `mv ${part} ${folder}`,
  ]
  await $`bash -c ${lines.join('\n')}`
}

/** A unit that still has its process is not started again: no container notices. */
export async function giveEngineBack({ $ }: StepContext): Promise<void> {
  const same = `pid=$(${mainPid} $unit); [ "$pid" != 0 ] && [ "$pid" = "$(cat ${folder}/$unit)" ]`
  const lines = [
    `${others}; ${counts} || exit 0`,
    `for file in ${files}; do if [ -e ${folder}$file ]; then cp -p ${folder}$file $file; else rm -f $(readlink -m $file); fi; done`,
    `for unit in ${enabled}; do grep -qx $unit ${folder}/enabled || systemctl -q --no-reload disable $unit; done`,
    'systemctl daemon-reload; systemctl reset-failed docker docker.socket',
    `for unit in ${units}; do ${same} || systemctl stop $unit; done`,
    `xargs -r systemctl start < ${folder}/active`,
    `rm -rf ${folder}`,
  ]
  await $`bash -c ${lines.join('\n')}`
}

export const engineSettled: Step = {
  title: 'docker engine: its earlier files are not needed any more',
  holds: (context) => succeeds(context, `[ ! -e ${folder} ]`),
  async apply({ $ }) {
    await $`rm -rf ${folder}`
  },
}
