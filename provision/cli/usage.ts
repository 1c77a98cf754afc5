import { labCommand, quietLabCommand } from '../process/lab-command.ts'

/** What `npm run lab -- help` prints. */
export const usage = `usage: ${labCommand} VERB [--lab NAME | --backend vagrant | --backend ssh --inventory FILE]

  up [--hosts N] [--consul 1|3|5] [--lab-file FILE] [--engine VERSION] [--engine HOST=VERSION] [--engine-from DIR]
     [--consul-from FILE] [--secure] [--timings]
                             bring the lab up, or complete a lab that is up in part
    --hosts, --consul        number of Docker hosts, number of Consul servers
    --lab-file               hosts of the lab as JSON (docs/lab.md)
    --engine                 Docker Engine 20.10, 26 or 28; on virtual machines and over ssh also 29
    --engine-from            folder with the programs of another Docker Engine
    --consul-from            program file of another Consul
    --secure                 Consul with ACLs and TLS
    --timings                show how long each part took
  down                       take the lab down
  status                     hosts, addresses, engines, Consul
  provision [HOST…] [--timings]
                             run the provisioning steps again
  exec HOST COMMAND…         run a command on the host as root (${quietLabCommand} exec … prints the command's output alone);
                             a single argument is a line for the host's shell
  ssh HOST                   open a shell on the host
  fault                      list the faults of the lab's network that are in force
  fault partition A B | unplug HOST | lose HOST PERCENT | slow HOST MS
                             add a fault, which lasts until heal
  heal                       remove all faults
  doctor                     check what this machine needs for a lab
  gc                         remove the labs and files of crashed runs

Defaults of the flags: MULTIHOST_LAB, MULTIHOST_BACKEND and MULTIHOST_INVENTORY.`
