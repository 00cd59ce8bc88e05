-- SPDX-License-Identifier: Apache-2.0
-- The non-drop rate of each of SIZES: bisection between nothing and 100 percent, in STEPS trials of SECONDS, then the rate
-- that it found again for CONFIRM seconds. A trial passes if at most LOSS of its packets are missing (RFC 2544, section
-- 26.1, asks for none; 0 is the default).
package.path = package.path .. ";" .. (os.getenv("PKTGEN_SCRIPTS") or "bench/pktgen") .. "/?.lua"
local load = require "load"

local function number(name, default)
  return assert(tonumber(os.getenv(name) or default), name .. " must be a number")
end

local steps, confirm, loss = number("STEPS", 8), number("CONFIRM", 60), number("LOSS", 0)

local function passes(rate, seconds)
  local sent, received = load.trial(rate, seconds)
  load.report(string.format("  %7.3f %%", rate), sent, received, seconds)
  return sent > 0 and sent - received <= loss * sent
end

local function search()
  local low, high = 0, 100
  if passes(high, load.seconds) then return high end
  for _ = 1, steps do
    local rate = (low + high) / 2
    if passes(rate, load.seconds) then low = rate else high = rate end
  end
  return low
end

for size in (os.getenv("SIZES") or "64"):gmatch("%d+") do
  load.size = tonumber(size)
  load.set_up()
  print(string.format("%d flows, %d bytes", load.flows, load.size))
  load.trial(1, math.max(1, load.seconds / 10))  -- the first packets of flows
  local rate = search()
  local confirmed = rate > 0 and (confirm == 0 or passes(rate, confirm))
  print(string.format("NDR of %d bytes: %.3f %% of the port's speed%s", load.size, rate,
                      confirmed and "" or ", not confirmed"))
end
pktgen.quit()
