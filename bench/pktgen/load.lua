-- SPDX-License-Identifier: Apache-2.0
-- What all of these scripts say to Pktgen-DPDK: a range of clients towards one virtual address, and trials of it.
--
-- Settings are environment variables, as Pktgen hands a script no arguments; README.md lists them. Pktgen's sizes have the
-- 4 bytes of the Ethernet check sequence in them: 64 is the least. Rates are in percent of the port's speed. `pktgen` is the
-- library that Pktgen gives its scripts.

local load = {}

local function setting(name, default)
  return os.getenv(name) or default
end

local function number(name, default)
  return assert(tonumber(setting(name, default)), name .. " must be a number")
end

load.send = setting("SEND_PORT", "0")
load.receive = setting("RECEIVE_PORT", load.send)
load.flows = number("FLOWS", 1024)
load.size = number("SIZE", 64)
load.seconds = number("SECONDS", 10)

-- The n-th address from `first` on, as text. Pktgen wants the last address of a range, not how many there are.
function load.address_after(first, n)
  local a, b, c, d = first:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  local value = ((a * 256 + b) * 256 + c) * 256 + d + n
  return string.format("%d.%d.%d.%d", value // 16777216 % 256, value // 65536 % 256, value // 256 % 256, value % 256)
end

-- How `flows` clients' tuples are made of addresses and ports. Pktgen counts a range's source address and its source port
-- up together, packet by packet; the numbers of both must have no common divisor, or some pairs never come.
function load.split(flows)
  local ports = math.min(flows, 60000)
  local addresses = math.ceil(flows / ports)
  while true do
    ports = math.ceil(flows / addresses)
    local a, b = addresses, ports
    while b ~= 0 do a, b = b, a % b end
    if a == 1 then return addresses, ports end
    addresses = addresses + 1
  end
end

local function range(of, first, last, step)
  of(load.send, "start", first)
  of(load.send, "min", first)
  of(load.send, "max", last)
  of(load.send, "inc", step)
end

function load.set_up()
  local client, vip = setting("CLIENT", "11.0.0.1"), setting("VIP", "10.96.0.1")
  local vip_port, first_port = number("VIP_PORT", 80), 1024
  local addresses, ports = load.split(load.flows)
  pktgen.screen("off")
  pktgen.stop(load.send)
  pktgen.set(load.send, "count", 0)  -- until stopped
  pktgen.range.dst_mac(load.send, "start", setting("WEFT_MAC", "02:00:00:00:00:01"))
  range(pktgen.range.src_ip, client, load.address_after(client, addresses - 1), addresses > 1 and "0.0.0.1" or "0.0.0.0")
  range(pktgen.range.src_port, first_port, first_port + ports - 1, ports > 1 and 1 or 0)
  range(pktgen.range.dst_ip, vip, vip, "0.0.0.0")
  range(pktgen.range.dst_port, vip_port, vip_port, 0)
  range(pktgen.range.pkt_size, load.size, load.size, 0)
  pktgen.range.ip_proto(load.send, setting("PROTOCOL", "udp"))
  pktgen.set_range(load.send, "on")
end

-- Sends at `rate` percent for `seconds`, waits until what was under way has arrived. Returns packets sent and received.
function load.trial(rate, seconds)
  pktgen.clr()
  pktgen.set(load.send, "rate", rate)
  pktgen.start(load.send)
  pktgen.delay(math.floor(seconds * 1000))
  pktgen.stop(load.send)
  pktgen.delay(1000)
  local sent = pktgen.portStats(load.send, "port")[tonumber(load.send)].opackets
  local received = pktgen.portStats(load.receive, "port")[tonumber(load.receive)].ipackets
  return sent, received
end

function load.report(what, sent, received, seconds)
  local lost = math.max(0, sent - received)
  print(string.format("%s: sent %d, received %d, lost %d (%.6f %%), %.3f Mpps", what, sent, received, lost,
                      sent > 0 and 100 * lost / sent or 0, received / seconds / 1e6))
end

return load
