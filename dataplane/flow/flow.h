// SPDX-License-Identifier: Apache-2.0
/// @file One tracked conversation: a cache line that serves both directions.
#pragma once

#include <array>
#include <cstdint>

#include "flow/state.h"
#include "lb/flow_key.h"
#include "packet/translate.h"
#include "time/clock.h"

namespace weft::flow {

struct alignas(64) Flow {
  lb::FlowKey request;    ///< as the client sends: client to virtual address
  lb::FlowKey reply;      ///< as the endpoint sends: endpoint to client
  packet::Deltas deltas;  ///< of the request's translation; the reply's are their reverse
  time::Millis created = 0;
  time::Millis last_seen = 0;
  uint32_t service_slot = 0;
  uint32_t endpoint_slot = 0;
  std::array<uint32_t, 2> packets = {};  ///< by direction; wrap
  State state = State::free;
  uint8_t client_port = 0;    ///< the port that leads to the client
  uint8_t endpoint_port = 0;  ///< the port that leads to the endpoint
};
static_assert(sizeof(Flow) == 64);

}  // namespace weft::flow
