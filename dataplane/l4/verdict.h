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
  echo_reply,
  refused_no_endpoint,
  refused_no_service_port,
  refused_only_itself,
  // passed to the kernel
  passed,
  // dropped
  truncated,
  bad_version,
  bad_header_length,
  bad_total_length,
  bad_checksum,
  bad_source,
  fragment,
  icmp,
  other_protocol,
  no_flow,
  ttl_expired,
  table_full,
  tuple_conflict,
  unanswerable,
  not_ours,
  transmit_full,
};
constexpr size_t kVerdicts = static_cast<size_t>(Verdict::transmit_full) + 1;

enum class Outcome : uint8_t { transmitted, passed, dropped };

struct VerdictInfo {
  Verdict verdict;
  Outcome outcome;
  std::string_view name;     ///< as counters and operators spell it
  std::string_view meaning;  ///< one sentence for an operator
};

const VerdictInfo& info(Verdict verdict);

constexpr Outcome outcome_of(Verdict verdict) {
  return verdict < Verdict::passed    ? Outcome::transmitted
         : verdict == Verdict::passed ? Outcome::passed
                                      : Outcome::dropped;
}

}  // namespace weft::l4
