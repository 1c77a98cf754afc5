/** What `npm run lab -- help` prints. */
export const usage = `usage: npm run lab -- VERB [--lab NAME | --backend vagrant | --backend ssh --inventory FILE]

  up [--engine 20.10|26|28] [--engine HOST=…] [--secure] [--timings]
                             bring the lab up, or what is missing of it; --secure: Consul with ACLs and TLS
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
