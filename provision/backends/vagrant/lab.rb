# What the Vagrantfile asks: hosts and sizes, and when to run the provisioning scripts.
#
# Vagrant tells of machines, not of the end of a command, and brings several up at once: whoever comes up last runs
# the scripts, once per command. Vagrant loads the Vagrantfile several times; this file is loaded once, and so keeps
# what has come up. A problem is an error of Vagrant's own kind, which it prints without Ruby's frames.

require "ipaddr"
require "json"
require "open3"

module MultihostLab
  ROOT = File.expand_path("../../..", __dir__)
  LAB = JSON.parse(File.read(File.join(ROOT, "provision/lab.json")))
  ENGINES = { "20.10" => "debian/bookworm64", "26" => "debian/trixie64", "28" => "debian/trixie64" }.freeze
  NEEDED_NODE = [20, 19].freeze

  @lock = Mutex.new
  @begun = []
  @up = []
  @provisioned = false

  class Problem < Vagrant::Errors::VagrantError
    def initialize(text)
      @text = text
      super()
    end

    def error_message
      @text
    end
  end

  class << self
    def hosts
      LAB["hosts"]
    end

    def netmask
      IPAddr.new("255.255.255.255").mask(LAB["network"].split("/").last.to_i).to_s
    end

    def engine
      value = setting("MULTIHOST_ENGINE", "26")
      return value if ENGINES.key?(value)

      raise Problem, "MULTIHOST_ENGINE=#{value}: allowed are #{ENGINES.keys.join(", ")}"
    end

    def box
      setting("MULTIHOST_BOX", ENGINES[engine])
    end

    def memory(name)
      number("MULTIHOST_MEMORY", 1024, 512, name)
    end

    def cpus(name)
      number("MULTIHOST_CPUS", 1, 1, name)
    end

    def triggers(trigger)
      before = ->(machine) { begin_with(machine) }
      after = ->(env, machine) { came_up(env, machine) }
      trigger.before(%i[up reload provision]) { |each| each.ruby { |_, machine| before.call(machine) } }
      trigger.after(%i[up reload provision]) { |each| each.ruby { |env, machine| after.call(env, machine) } }
    end

    private

    def setting(name, default)
      value = ENV[name]
      value.nil? || value.empty? ? default : value
    end

    # "1024,net-1=4096": the first is for all, the others for one each.
    def number(variable, default, least, name)
      words = setting(variable, default.to_s).split(",").map { |word| word.split("=", 2) }
      words.each { |word| check_number(variable, word, least) }
      own = words.find { |word| word.size == 2 && word[0] == name }
      all = words.find { |word| word.size == 1 }
      (own || all || [default]).last.to_i
    end

    def check_number(variable, word, least)
      names = hosts.map { |host| host["name"] }
      known = word.size == 1 || names.include?(word[0])
      return if known && word.last.to_s.match?(/\A\d+\z/) && word.last.to_i >= least

      raise Problem, "#{variable}=#{setting(variable, "")}: \"#{word.join("=")}\" is neither a whole number from " \
                     "#{least} nor HOST=number with a host of #{names.join(", ")}"
    end

    # Before any machine boots: without these it would boot for nothing.
    def begin_with(machine)
      return unless provisions?

      check_node
      check_npm
      @lock.synchronize { @begun |= [machine.name.to_s] }
    end

    # In the last machine of the command that comes up.
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
                      "#{missing.join(", ")}. Next: vagrant up")
    end

    def provision(machine)
      machine.ui.info("all machines are up: provisioning the lab")
      command = ["node", "provision/start.mjs", "provision/lab.ts", "provision", "--backend", "vagrant"]
      done = Vagrant::Util::Env.with_original_env do
        system({ "MULTIHOST_ENGINE" => engine }, *command, chdir: ROOT)
      end
      return if done

      raise Problem, "the machines are up, but the lab was not provisioned (see above). Once that is mended: " \
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

    # nil where there is no such command, or it fails.
    def output(*command)
      text, status = Vagrant::Util::Env.with_original_env { Open3.capture2(*command) }
      status.success? ? text : nil
    rescue Errno::ENOENT
      nil
    end
  end
end
