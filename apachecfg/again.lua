-- mod_proxy closes a visitor's keep-alive connection without an answer when a process dies under the request, so that
-- the browser may repeat it (browsers do so even for a POST). Only for reverse proxies: as a forward proxy it answers
-- 502, and ErrorDocument can ask another process. The request goes to the same place either way.
--
-- The second try waits a moment: a process that was killed may still be closing its sockets, and only a connection that
-- is refused makes the balancer pass it over.
function again(r)
  if r.subprocess_env["REDIRECT_STATUS"] == "502" then
    r.usleep(50000)
  end
  if r.proxyreq == "PROXYREQ_REVERSE" and not r.headers_in["Upgrade"] then
    r.proxyreq = 1 -- PROXYREQ_PROXY
  end
  return apache2.DECLINED
end
