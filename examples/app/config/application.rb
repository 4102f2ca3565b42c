# Rails itself and Debian's gems are on Ruby's own path: there is no Gemfile.
require "logger"
require "rails"
require "active_model/railtie"
require "active_record/railtie"
require "action_controller/railtie"
require "action_view/railtie"

module GuestBook
  class Application < Rails::Application
    config.load_defaults 7.2
    config.time_zone = "UTC"
    config.active_record.dump_schema_after_migration = false

    config.logger = ActiveSupport::TaggedLogging.new(ActiveSupport::Logger.new($stdout))
    config.log_level = ENV.fetch("LOG_LEVEL", "info")
    config.log_tags = [:request_id]
    $stdout.sync = true

    # The health check comes by address, not by name.
    host = ENV["HOST_NAME"].to_s
    config.hosts << host unless host.empty?
    config.host_authorization = { exclude: ->(request) { request.path == "/up" } }
  end
end
