require "socket"

# What machines ask. Nothing here has a session.
class HealthController < ActionController::Base
  before_action { request.session_options[:skip] = true }
  before_action { response.headers["cache-control"] = "no-store" }

  def up
    ActiveRecord::Base.connection.select_value("SELECT 1")
    render plain: "ok\n"
  rescue ActiveRecord::ActiveRecordError => e
    logger.error("database: #{e.message}")
    render plain: "database does not answer\n", status: :service_unavailable
  end

  def whoami
    render plain: <<~TEXT
      release #{Release::NAME}
      port #{ENV.fetch("PORT", "3000")}
      pid #{Process.pid}
      host #{Socket.gethostname}
    TEXT
  end

  def slow
    ms = params[:ms].to_i.clamp(0, 5000)
    sleep(ms / 1000.0)
    render plain: "#{ms} ms\n"
  end
end
