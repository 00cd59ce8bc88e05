-- SPDX-License-Identifier: Apache-2.0
-- The scripts against a Pktgen that only pretends: which packets would it send, and is the right rate found?
-- Run from the repository's root: lua5.3 bench/pktgen/scripts_test.lua

package.path = package.path .. ";bench/pktgen/?.lua"

local kPort, kCarried = 0, 63.2  -- percent of the port's speed that the pretended node forwards
local world = {range = {}, rate = 0, sent = 0, received = 0}
local said = {}

local function remember(name)
  return function(_, what, value)
    world.range[name] = world.range[name] or {}
    if value == nil then world.range[name] = what else world.range[name][what] = value end
  end
end

pktgen = {
  range = setmetatable({}, {__index = function(_, name) return remember(name) end}),
  screen = function() end, stop = function() end, set_range = function() end, start = function() end,
  clr = function() world.sent, world.received = 0, 0 end,
  set = function(_, what, value) if what == "rate" then world.rate = value end end,
  delay = function(milliseconds)
    if milliseconds == 1000 then return end  -- after the trial
    world.sent = math.floor(world.rate * milliseconds * 100)
    world.received = math.floor(math.min(world.rate, kCarried) * milliseconds * 100)
  end,
  portStats = function() return {[kPort] = {opackets = world.sent, ipackets = world.received}} end,
  quit = function() end,
}
print = function(line) said[#said + 1] = line end
local settings = {SIZES = "64 128", STEPS = "8", SECONDS = "2", CONFIRM = "3", FLOWS = "100000"}
os.getenv = function(name) return settings[name] end

local load = require "load"

assert(load.address_after("11.0.0.1", 0) == "11.0.0.1")
assert(load.address_after("11.0.0.255", 1) == "11.0.1.0")
assert(load.address_after("10.255.255.255", 1) == "11.0.0.0")

-- Address and port step together; so many different pairs come of them before the first comes again.
local function pairs_of(addresses, ports)
  local seen, count, address, port = {}, 0, 0, 0
  while not seen[address * 65536 + port] do
    seen[address * 65536 + port] = true
    count = count + 1
    address, port = (address + 1) % addresses, (port + 1) % ports
  end
  return count
end
for _, flows in ipairs{1, 2, 1024, 60000, 60001, 100000, 1000000} do
  local addresses, ports = load.split(flows)
  local count = pairs_of(addresses, ports)
  assert(count >= flows and count <= flows * 1.01 + 1, string.format("%d flows became %d", flows, count))
  assert(1024 + ports - 1 <= 65535, "ports end at 65535")
end

dofile("bench/pktgen/ndr.lua")
local found = {}
for _, line in ipairs(said) do
  local size, rate = line:match("^NDR of (%d+) bytes: ([%d.]+) %%")
  if size then
    assert(not line:find("not confirmed"), line)
    found[size] = tonumber(rate)
  end
end
for _, size in ipairs{"64", "128"} do
  assert(found[size] and found[size] <= kCarried and found[size] > kCarried - 100 / 2 ^ 8,
         string.format("NDR of %s bytes: %s", size, found[size]))
end
assert(world.range.src_ip.start == "11.0.0.1" and world.range.src_ip.inc == "0.0.0.1" and
       world.range.dst_ip.max == "10.96.0.1" and world.range.pkt_size.min == 128 and world.range.ip_proto == "udp")
