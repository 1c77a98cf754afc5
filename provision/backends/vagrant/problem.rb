# An error of Vagrant's own class: Vagrant prints its message without a Ruby backtrace.

module MultihostLab
  class Problem < Vagrant::Errors::VagrantError
    def initialize(text)
      @text = text
      super()
    end

    def error_message
      @text
    end
  end
end
