-- Each request is of a visitor drawn evenly: `wrk -s visitors.lua URL -- FILE COUNT SEED TENANTS`. The file
-- has a cookie a line; of those the first COUNT are drawn from. With TENANTS above 0 the visitor of line N
-- is at the host of tenant N modulo TENANTS.
local COOKIE = 112
local cookies, count, tenants

function init(args)
  cookies = assert(io.open(args[1], "rb"))
  count = tonumber(args[2])
  math.randomseed(tonumber(args[3]))
  tenants = tonumber(args[4])
end

function request()
  local number = math.random(0, count - 1)
  cookies:seek("set", number * (COOKIE + 1))
  local headers = { Cookie = "vestibule-session=" .. cookies:read(COOKIE) }
  if tenants > 0 then
    headers.Host = "t" .. number % tenants .. ".localhost"
  end
  return wrk.format("GET", "/", headers)
end
