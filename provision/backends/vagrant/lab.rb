# What the Vagrantfile reads: the hosts of provision/lab.json, and each machine's box, memory and CPUs from environment
# variables. A wrong value is a Problem, which Vagrant prints without a Ruby backtrace.

require "ipaddr"
require "json"
require_relative "record"

module MultihostLab
  NAMED_FILE = ENV["MULTIHOST_LAB_FILE"].to_s
  LAB_FILE = NAMED_FILE.empty? ? "provision/lab.json" : NAMED_FILE
  # Debian release → provider → box. debian/trixie64 has no VirtualBox variant, so VirtualBox gets Bento's boxes.
  BOXES = JSON.parse(File.read(File.join(__dir__, "boxes.json")))
  # Engine → Debian release, from the one table of engines.
  ENGINES = JSON.parse(File.read(File.join(ROOT, "provision/images/engines.json")))
  SUITES = ENGINES["engines"].to_h { |engine| [engine["version"], engine["suite"]] }.freeze

  # The checks of provision/lab/definition.ts: machines must not boot from a list that provisioning refuses.
  module Definition
    ROLES = %w[consul docker bare].freeze
    NAME = /\A[a-z]([a-z0-9-]{0,11}[a-z0-9])?\z/
    RESERVED = %w[lo br-lab switch all default localhost].freeze
    MOST_HOSTS = 205
    NETWORK = %r{\A(?<first>\d+)(\.\d+){3}/(?<prefix>[89]|[12]\d|30)\z}

    class << self
      def read
        lab = parsed
        listed = lab.is_a?(Hash) && lab["network"].is_a?(String) && lab["hosts"].is_a?(Array)
        refuse('needs both "network" and the list "hosts"') unless listed
        number = lab["hosts"].size
        refuse("names #{number} hosts: from 1 to #{MOST_HOSTS} make a lab") unless number.between?(1, MOST_HOSTS)
        check_words(lab, %w[network hosts source], "")
        network = network(lab["network"])
        lab["hosts"].each { |host| check_host(host, network) }
        %w[name address].each { |key| check_once(lab["hosts"], key) }
        check_roles(lab["hosts"].map { |host| host["role"] })
        { "source" => source, "network" => lab["network"], "hosts" => lab["hosts"] }
      end

      private

      # As provision/cli/arguments.ts names it.
      def source
        NAMED_FILE.empty? ? LAB_FILE : File.expand_path(NAMED_FILE, ROOT)
      end

      def parsed
        text = File.read(File.expand_path(LAB_FILE, ROOT), encoding: "BOM|UTF-8")
        refuse("is not JSON") unless text.valid_encoding?
        # Ruby's parser passes over comments.
        refuse("is not JSON: it has a comment") if text.gsub(/"(\\.|[^"\\])*"/m, "").match?(%r{//|/\*})
        JSON.parse(text)
      rescue SystemCallError => e
        refuse("cannot be read: #{e.message}")
      rescue JSON::ParserError
        refuse("is not JSON")
      end

      def check_host(host, network)
        refuse("#{host.to_json} is not a host") unless host.is_a?(Hash)
        name = host["name"]
        check_words(host, %w[name address role], "host #{name.to_json} ")
        refuse("name #{name.to_json} is not a name of at most 13 lower-case letters, digits and dashes") unless name.is_a?(String) && NAME.match?(name)
        refuse("name #{name} is not free: #{RESERVED.join(", ")} have a meaning of their own") if RESERVED.include?(name)
        refuse("role #{host["role"].to_json} is not one of #{ROLES.join(", ")}") unless ROLES.include?(host["role"])
        check_address(address(host["address"]), network)
      end

      def check_words(given, known, where)
        surplus = (given.keys - known).first
        refuse("#{where}has an unknown word #{surplus.to_json}: allowed are #{(known - ["source"]).join(", ")}") if surplus
      end

      def check_address(address, network)
        first = network.to_range.first
        inside = network.include?(address) && ![first, network.to_range.last].include?(address)
        refuse("address \"#{address}\" is not in the network") unless inside
        refuse("address \"#{address}\" is this machine's own in the network of virtual machines") if address == first.succ
      end

      def network(value)
        parts = NETWORK.match(value)
        first = parts ? parts[:first].to_i : 0
        refuse_network(value) unless first.between?(1, 223) && first != 127
        IPAddr.new(value)
      rescue IPAddr::Error
        refuse_network(value)
      end

      def refuse_network(value)
        refuse("network #{value.to_json} is not a network of IPv4 hosts and the length of its prefix, from 8 to 30")
      end

      def check_once(hosts, key)
        values = hosts.map { |host| host[key] }
        twice = values.find { |value| values.count(value) > 1 }
        refuse("the #{key} #{twice.to_json} occurs #{values.count(twice)} times") unless twice.nil?
      end

      def check_roles(roles)
        consul = roles.count("consul")
        return if [1, 3, 5].include?(consul) || roles.uniq == ["bare"]

        refuse("names #{consul} hosts of role consul: 1, 3 or 5 can elect a leader")
      end

      def address(value)
        address = IPAddr.new(value.to_s)
        return address if address.ipv4? && !value.include?("/")

        refuse("address #{value.to_json} is not IPv4")
      rescue IPAddr::Error
        refuse("address #{value.to_json} is not IPv4")
      end

      def refuse(text)
        raise Problem, "#{LAB_FILE} #{text}"
      end
    end
  end

  # The hosts that the machines were made of; where there is no machine, those of the file. An edited list is refused by
  # the commands that make machines or provision them. All others go on with the machines that exist.
  RECORDED = Record.read
  LAB = RECORDED || Definition.read
  if RECORDED && %w[up provision reload].include?(ARGV.find { |word| !word.start_with?("-") })
    Record.refuse_edits(RECORDED, Definition.read, explicit: !NAMED_FILE.empty?)
  end

  class << self
    def hosts
      LAB["hosts"]
    end

    def netmask
      IPAddr.new("255.255.255.255").mask(LAB["network"].split("/").last.to_i).to_s
    end

    def engine
      value = setting("MULTIHOST_ENGINE", ENGINES["default"])
      return value if SUITES.key?(value)

      raise Problem, "MULTIHOST_ENGINE=#{value}: allowed are #{SUITES.keys.join(", ")}"
    end

    # The box of every provider that has none of its own in `boxes`; nil where MULTIHOST_BOX names no such box.
    def box
      box_words.find { |word| word.size == 1 }&.first
    end

    # Provider → box: the defaults, unless MULTIHOST_BOX names one box for all; then what it names for one provider.
    def boxes
      defaults = box.nil? ? BOXES.fetch(SUITES[engine]) : {}
      defaults.merge(box_words.select { |word| word.size == 2 }.to_h)
    end

    def check_box(machine)
      return unless machine.config.vm.box.nil?

      provider = machine.provider_name
      raise Problem, "provider #{provider} has no default box. Choose one of the providers " \
                     "#{boxes.keys.sort.join(", ")} (vagrant up --provider NAME), or name a Debian box that " \
                     "#{provider} can start: MULTIHOST_BOX=#{provider}=BOX"
    end

    def memory(name)
      number("MULTIHOST_MEMORY", 1024, 512, name)
    end

    def cpus(name)
      number("MULTIHOST_CPUS", 1, 1, name)
    end

    # A wrong value is refused by provision/process/timeout-scale.ts.
    def timeout_scale
      setting("MULTIHOST_PATIENCE", "1").to_i.clamp(1, 10)
    end

    private

    def setting(name, default)
      value = ENV[name]
      value.nil? || value.empty? ? default : value
    end

    # "debian/trixie64,virtualbox=bento/debian-13": [["debian/trixie64"], ["virtualbox", "bento/debian-13"]]. An "="
    # after a slash belongs to the box: a box may be a URL.
    def box_words
      words = setting("MULTIHOST_BOX", "").split(",").map { |word| word.match?(%r{\A[^/]*=}) ? word.split("=", 2) : [word] }
      words.each { |word| check_box_word(word) }
    end

    def check_box_word(word)
      known = (BOXES.values.flat_map(&:keys) + Vagrant.plugin("2").manager.providers.keys.map(&:to_s)).uniq.sort
      return if (word.size == 1 || known.include?(word[0])) && !word.last.empty?

      raise Problem, "MULTIHOST_BOX=#{ENV["MULTIHOST_BOX"]}: \"#{word.join("=")}\" is neither BOX nor PROVIDER=BOX with " \
                     "a provider of #{known.join(", ")}"
    end

    # "1024,net-1=4096": a number without a name is for all machines, NAME=number for one.
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
  end
end
