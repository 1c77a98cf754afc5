# When the provisioning scripts run: once per command of Vagrant's, after its last machine has come up.
#
# Vagrant has triggers for a machine and none for the end of a command, and brings several machines up at once: the
# machine that comes up last runs the scripts. Vagrant loads the Vagrantfile several times and this file once, so the
# module's variables last for the whole command.

require "open3"
require_relative "lab"

module MultihostLab
  NEEDED_NODE = [20, 19].freeze

  @lock = Mutex.new
  @begun = []
  @up = []
  @provisioned = false

  class << self
    def triggers(trigger)
      before = ->(machine) { begin_with(machine) }
      after = ->(env, machine) { came_up(env, machine) }
      trigger.before(%i[up reload provision]) { |each| each.ruby { |_, machine| before.call(machine) } }
      trigger.after(%i[up reload provision]) { |each| each.ruby { |env, machine| after.call(env, machine) } }
    end

    private

    # Everything that would fail later is checked before any machine boots.
    def begin_with(machine)
      check_box(machine)
      if provisions?
        check_node
        check_npm
      end
      @lock.synchronize do
        Record.write(LAB) if Record.read.nil?
        @begun |= [machine.name.to_s]
      end
    end

    def came_up(env, machine)
      return unless provisions?

      missing = @lock.synchronize do
        @up |= [machine.name.to_s]
        return if @provisioned || (@begun - @up).any?

        absent = (names_of_hosts - @up).reject { |name| running?(env, machine, name) }
        @provisioned = absent.empty?
        absent
      end
      missing.empty? ? provision(machine) : say_missing(machine, missing)
    end

    def provisions?
      (ARGV & ["--no-provision"]).empty?
    end

    def names_of_hosts
      hosts.map { |host| host["name"] }
    end

    def running?(env, machine, name)
      env.machine(name.to_sym, machine.provider_name).state.id == :running
    end

    def say_missing(machine, missing)
      machine.ui.warn("#{machine.name} is up. The lab is provisioned when all its machines are; missing: " \
                      "#{missing.join(", ")}. If this command does not bring them up: vagrant up")
    end

    def provision(machine)
      machine.ui.info("all machines are up: provisioning the lab")
      command = ["node", "provision/start.mjs", "provision/lab.ts", "provision", "--backend", "vagrant"]
      done = Vagrant::Util::Env.with_original_env do
        system({ "MULTIHOST_ENGINE" => engine }, *command, chdir: ROOT)
      end
      return if done

      raise Problem, "the machines are up, but the lab was not provisioned (see above). Once that is repaired: " \
                     "vagrant provision"
    end

    def check_node
      version = output("node", "--version")
      wanted = NEEDED_NODE.join(".")
      raise Problem, "provisioning runs on this machine and needs Node #{wanted} or newer: there is no node in PATH" if version.nil?

      return if (version.delete("v").split(".").first(2).map(&:to_i) <=> NEEDED_NODE) >= 0

      raise Problem, "provisioning runs on this machine and needs Node #{wanted} or newer: this is #{version.strip}"
    end

    def check_npm
      return if output("npm", "--version")

      raise Problem, "provisioning runs on this machine and needs npm, which comes with Node: there is no npm in PATH"
    end

    # nil where the command does not exist, or fails.
    def output(*command)
      text, status = Vagrant::Util::Env.with_original_env { Open3.capture2(*command) }
      status.success? ? text : nil
    rescue Errno::ENOENT
      nil
    end
  end
end
