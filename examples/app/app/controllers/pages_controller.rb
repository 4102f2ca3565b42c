# Pages that are the same for everyone. They have no session, so that one visitor's cookie never gets into the file.
class PagesController < ApplicationController
  CACHE = Rails.public_path.join("cache")

  after_action :write_page

  def about
    request.session_options[:skip] = true
    @written = Time.current
  end

  private

  # By rename: the web server never sees half a page. A page that cannot be written is no reason not to show it.
  def write_page
    return unless request.get? && response.status == 200

    part = CACHE.join(".#{action_name}.#{Process.pid}.#{SecureRandom.hex(4)}")
    File.write(part, response.body)
    File.chmod(0o644, part) # the web server is another user
    File.rename(part, CACHE.join("#{action_name}.html"))
  rescue SystemCallError => e
    logger.warn("page #{action_name} is not cached: #{e.message}")
    FileUtils.rm_f(part) if part
  end
end
