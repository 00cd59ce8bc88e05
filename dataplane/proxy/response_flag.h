// SPDX-License-Identifier: Apache-2.0
/// @file Why an exchange did not end as it should have: Envoy's response flags, of which there may be several.
#pragma once

#include <cstdint>
#include <string>

namespace weft::proxy {

using ResponseFlags = uint32_t;

namespace response_flag {
constexpr ResponseFlags none = 0;
constexpr ResponseFlags no_healthy_upstream = 1 << 0;          ///< UH: the service has no endpoint for requests
constexpr ResponseFlags upstream_connection_failure = 1 << 1;  ///< UF: no connection to the endpoint came about
constexpr ResponseFlags upstream_overflow = 1 << 2;            ///< UO: a bound of weft's own is reached
constexpr ResponseFlags no_route = 1 << 3;                     ///< NR: no rule matches, or it leads nowhere
constexpr ResponseFlags upstream_retry_limit = 1 << 4;         ///< URX: all attempts were made
constexpr ResponseFlags upstream_connection_termination =
    1 << 5;                                                  ///< UC: the endpoint closed before its response was over
constexpr ResponseFlags upstream_request_timeout = 1 << 6;   ///< UT
constexpr ResponseFlags upstream_remote_reset = 1 << 7;      ///< UR: the endpoint reset the connection
constexpr ResponseFlags downstream_termination = 1 << 8;     ///< DC: the client went away
constexpr ResponseFlags downstream_protocol_error = 1 << 9;  ///< DPE: the request is malformed
constexpr ResponseFlags upstream_protocol_error = 1 << 10;   ///< UPE: the response is
constexpr ResponseFlags stream_idle_timeout = 1 << 11;       ///< SI: nothing moved
constexpr ResponseFlags downstream_timeout = 1 << 12;        ///< DT: the client took too long with its request
/// RBAC: a policy of access denies it. weft's own: Envoy has no flag for it, and says so in its details.
constexpr ResponseFlags denied_by_policy = 1 << 13;
constexpr ResponseFlags rate_limited = 1 << 14;    ///< RL: more requests came in a time than a limit allows
constexpr ResponseFlags delay_injected = 1 << 15;  ///< DI: a fault that was injected on purpose delayed it,
constexpr ResponseFlags fault_injected = 1 << 16;  ///< FI: or ended it
/// SIG: a signature of a policy of inspection was found in the request or the response. weft's own.
constexpr ResponseFlags denied_by_signature = 1 << 17;
}  // namespace response_flag

/// "UF,URX"; "-": none.
std::string to_string(ResponseFlags flags);

}  // namespace weft::proxy
