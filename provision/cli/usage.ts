/** What `npm run lab -- help` prints. */
export const usage = `usage: npm run lab -- VERB [--lab NAME | --backend vagrant | --backend ssh --inventory FILE]

  up [--hosts N] [--consul 1|3|5] [--lab-file FILE] [--engine VERSION] [--engine HOST=VERSION] [--engine-from DIR]
     [--consul-from FILE] [--secure] [--timings]
                             bring the lab up, or what is missing of it
    --hosts, --consul        so many Docker hosts and Consul servers; --lab-file: a list of hosts (docs/lab.md)
    --engine                 Docker Engine 20.10, 26, 28, or 29 on virtual machines and by ssh; --engine-from: the programs in this folder
    --consul-from            this program of Consul; --secure: Consul with ACLs and TLS
  down                       take the lab down
  status                     hosts, addresses, engines, Consul
  provision [HOST…]          run the provisioning steps again
  exec HOST COMMAND…         run a command there as root (npm run -s lab -- exec … prints the command's output alone);
                             a single argument is a line for the host's shell
  ssh HOST                   a shell there
  fault                      list the faults of the lab's network that are in force
  fault partition A B | unplug HOST | lose HOST PERCENT | slow HOST MS
                             add a fault, until heal
  heal                       remove all faults
  doctor                     check what this machine needs for a lab
  gc                         remove what crashed runners left

Defaults of the flags: MULTIHOST_LAB, MULTIHOST_BACKEND and MULTIHOST_INVENTORY.`
