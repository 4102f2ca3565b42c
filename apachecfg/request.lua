-- What mod_headers and mod_proxy cannot be told in the configuration, for every request before it is answered.
function before(r)
  -- An app cannot tell X_Real_IP from X-Real-IP, so no header with an underscore goes on (nginx drops them too).
  for name in pairs(r:headers_in_table()) do
    if name:find("_", 1, true) then
      r.headers_in[name] = nil
    end
  end
  -- When a process dies under a request, mod_proxy closes a visitor's keep-alive connection without an answer, so that
  -- the browser may repeat it (browsers do so even for a POST). Only for reverse proxies: as a forward proxy it answers
  -- 502, and ErrorDocument decides. The request goes to the same place either way.
  --
  -- The second try waits a moment: a process that was killed may still be closing its sockets, and only a connection that
  -- is refused makes the balancer pass it over.
  if r.subprocess_env["REDIRECT_STATUS"] == "502" then
    r.usleep(50000)
  end
  if r.proxyreq == "PROXYREQ_REVERSE" and (r.headers_in["Upgrade"] or ""):lower() ~= "websocket" then
    r.proxyreq = 1 -- PROXYREQ_PROXY
  end
  return apache2.DECLINED
end

-- LimitRequestBody does not hold for what mod_proxy passes on, so the bytes of a body without a length are counted here.
-- mod_reqtimeout does not see the bodies of HTTP/2: they too have 20 s and one more for every 4,000 bytes that have come.
function body(r)
  local left = tonumber(r.subprocess_env["max-body"] or math.huge)
  local deadline = os.time() + 20
  coroutine.yield()
  while bucket ~= nil do
    left = left - #bucket
    deadline = deadline + #bucket / 4000
    if left < 0 then
      r.notes["refused"] = "413"
      return
    elseif os.time() > deadline then
      r.notes["refused"] = "408"
      return
    end
    coroutine.yield(bucket)
  end
end
