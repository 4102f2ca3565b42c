threads_count = Integer(ENV.fetch("THREADS", "5"))
threads threads_count, threads_count
environment ENV.fetch("RAILS_ENV", "production")
bind "tcp://#{ENV.fetch("BIND", "127.0.0.1")}:#{ENV.fetch("PORT", "3000")}"

# SIGTERM: take what the kernel has already accepted, answer it, then leave with status 0.
drain_on_shutdown
force_shutdown_after 25
raise_exception_on_sigterm false

# A page cached by the release before would outlive it. Every process clears it when it starts; in a restart one by one the last
# one starts after the last old process has gone.
on_booted do
  Dir.glob(File.join(__dir__, "../public/cache/*.html")).each { |page| File.delete(page) rescue nil }
end
