# The list of hosts that the machines were made of: written into Vagrant's folder before the first machine is made, and in
# force while one of them exists. record.ts reads it too.

require "fileutils"
require "json"
require_relative "problem"

module MultihostLab
  ROOT = File.expand_path("../../..", __dir__)

  module Record
    DOTFILE = ENV["VAGRANT_DOTFILE_PATH"].to_s.empty? ? ".vagrant" : ENV["VAGRANT_DOTFILE_PATH"]
    FOLDER = File.expand_path(DOTFILE, ENV["VAGRANT_CWD"] || ROOT)
    FILE = File.join(FOLDER, "multihost-lab.json")

    class << self
      # nil where no machine of the recorded list exists.
      def read
        lab = JSON.parse(File.read(FILE, encoding: "UTF-8"))
        lab if lab["hosts"].any? { |host| made?(host["name"]) }
      rescue Errno::ENOENT
        nil
      rescue JSON::ParserError
        raise Problem, "#{FILE} is not JSON: it had the list of hosts that the machines were made of. Remove the file"
      end

      def write(lab)
        FileUtils.mkdir_p(FOLDER)
        part = "#{FILE}.part-#{Process.pid}"
        File.write(part, JSON.pretty_generate(lab))
        File.rename(part, FILE)
      end

      # Machines made of another file are used as they are, unless this file was named.
      def refuse_edits(recorded, asked, explicit:)
        return unless explicit || recorded["source"] == asked["source"]

        changes = differences(recorded, asked)
        return if changes.empty?

        raise Problem, "there are machines of other hosts than #{asked["source"]} says: #{changes.join("; ")}. " \
                       "Destroy them first (vagrant destroy -f), or undo the edit"
      end

      private

      # Vagrant writes a machine's id when it makes the machine, and removes it when it destroys the machine.
      def made?(name)
        Dir.glob("*/id", base: File.join(FOLDER, "machines", name)).any?
      end

      # As in provision/lab/definition.ts.
      def differences(ours, theirs)
        have, want = [ours, theirs].map do |lab|
          lab["hosts"].map { |host| "#{host["name"]} #{host["address"]} (#{host["role"]})" }
        end
        network = "network #{ours["network"]} is now #{theirs["network"]}"
        [
          *(network unless ours["network"] == theirs["network"]),
          *(want - have).map { |host| "new: #{host}" },
          *(have - want).map { |host| "gone: #{host}" },
        ]
      end
    end
  end
end
