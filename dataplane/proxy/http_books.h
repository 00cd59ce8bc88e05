// SPDX-License-Identifier: Apache-2.0
/// @file What a worker counts of HTTP.
#pragma once

#include <array>
#include <cstdint>

#include "http/http1.h"

namespace weft::proxy {

struct HttpBooks {
  uint64_t requests = 0;
  std::array<uint64_t, 6> responses = {};  ///< by the hundreds of their status; [0]: none was given
  uint64_t local_responses = 0;            ///< of those, weft's own
  uint64_t retries = 0;                    ///< by a rule's wish
  uint64_t fresh_attempts = 0;             ///< as an endpoint had closed a connection that was to be used again
  uint64_t mirrored = 0;
  uint64_t mirrors_left_out = 0;  ///< of bodies that are too long to be kept, or as too many were under way
  uint64_t overflows = 0;         ///< refused, as no exchange, connection or buffer was left
  uint64_t limited = 0;           ///< refused, as more came in a time than a limit allows
  uint64_t connections = 0;       ///< to endpoints, made
  uint64_t reused = 0;            ///< requests that needed none
  uint64_t head_timeouts = 0;     ///< of requests whose head did not come in time
  uint64_t body_timeouts = 0;     ///< of those whose body did not
  uint64_t tunnels = 0;
  uint64_t authorized = 0;        ///< let in by policies of access
  uint64_t denied = 0;            ///< by policies of access, and those under way that were ended by a change of them
  uint64_t dry_run_denied = 0;    ///< let in, and would not have been if policies of a dry run were enforced
  uint64_t inspected = 0;         ///< requests and responses that policies of inspection looked into
  uint64_t denied_requests = 0;   ///< by signatures,
  uint64_t denied_responses = 0;  ///< as HAProxy counts them apart
  uint64_t signatures_noted = 0;  ///< that were found and denied nothing, of messages that went on or not
  uint64_t inspections_full = 0;  ///< messages answered with 503, as too many bodies were looked into at a time
  uint64_t not_seen = 0;          ///< messages that went on, and not all of which was looked into
  std::array<uint64_t, http::kDefects> defects = {};  ///< of requests, by http::Defect
  uint64_t bad_responses = 0;
  uint64_t records_missed = 0;  ///< of finished requests, too many in a turn
  uint32_t clients = 0;         ///< connections, now
  uint32_t exchanges = 0;
  uint32_t upstreams = 0;
  uint32_t parked = 0;  ///< of those
};

}  // namespace weft::proxy
