// SPDX-License-Identifier: Apache-2.0
/// @file Every way a packet can end. The verdict is also the index of its counter, so none can go uncounted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::l4 {

enum class Verdict : uint8_t {
  // transmitted
  request,
  reply,
  tunneled,
  tunneled_by_hash,
  reply_by_hash,
  icmp_error,
  echo_reply,
  too_big_answered,
  ended_with_endpoint,
  ended_by_policy,
  refused_no_endpoint,
  refused_no_service_port,
  refused_only_itself,
  refused_over_limit,
  refused_unknown,
  refused_not_authorized,
  refused_by_fault,
  from_kernel,
  segment,
  name_answered,
  name_relayed,
  // delivered to this worker's TCP
  delivered,
  // delivered to the forwarder of queries
  name_forwarded,
  // passed to the kernel
  passed,
  // handed over to another worker, whose books have its end
  handed_over,
  // dropped
  truncated,
  bad_version,
  bad_header_length,
  bad_total_length,
  bad_checksum,
  bad_transport_checksum,
  too_many_buffers,
  bad_extension,
  bad_source,
  fragment,
  icmp,
  other_protocol,
  no_flow,
  ttl_expired,
  too_big,
  not_permitted,
  not_authorized,
  over_service_rate,
  over_source_rate,
  overload,
  table_full,
  tuple_conflict,
  fault_dead,
  fault_lost,
  fault_throttled,
  own_ports_dry,
  no_tunnel_source,
  no_next_hop,
  steering_full,
  handover_full,
  unanswerable,
  no_query,
  answer_limited,
  not_ours,
  kernel_limited,
  wrong_vlan,
  transmit_full,
};
constexpr size_t kVerdicts = static_cast<size_t>(Verdict::transmit_full) + 1;

enum class Outcome : uint8_t { transmitted, delivered, passed, handed_over, dropped };

struct VerdictInfo {
  Verdict verdict;
  Outcome outcome;
  std::string_view name;     ///< as counters and operators spell it
  std::string_view meaning;  ///< one sentence for an operator
};

const VerdictInfo& info(Verdict verdict);
std::string_view to_string(Outcome outcome);

constexpr Outcome outcome_of(Verdict verdict) {
  return verdict < Verdict::delivered         ? Outcome::transmitted
         : verdict <= Verdict::name_forwarded ? Outcome::delivered
         : verdict == Verdict::passed         ? Outcome::passed
         : verdict == Verdict::handed_over    ? Outcome::handed_over
                                              : Outcome::dropped;
}

}  // namespace weft::l4
