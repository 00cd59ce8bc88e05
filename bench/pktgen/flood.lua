-- SPDX-License-Identifier: Apache-2.0
-- One trial: RATE percent (100) for SECONDS. With enough flows and time it fills weft's flow table; with RATE=100 it finds
-- the most that is forwarded.
package.path = package.path .. ";" .. (os.getenv("PKTGEN_SCRIPTS") or "bench/pktgen") .. "/?.lua"
local load = require "load"

load.set_up()
local rate = assert(tonumber(os.getenv("RATE") or 100), "RATE must be a number")
local sent, received = load.trial(rate, load.seconds)
load.report(string.format("%d flows, %d bytes, %g %%", load.flows, load.size, rate), sent, received, load.seconds)
pktgen.quit()
