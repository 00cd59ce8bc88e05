// SPDX-License-Identifier: Apache-2.0
#include "l4/verdict.h"

#include <array>

namespace weft::l4 {
namespace {

constexpr VerdictInfo row(Verdict verdict, std::string_view name, std::string_view meaning) {
  return {.verdict = verdict, .outcome = outcome_of(verdict), .name = name, .meaning = meaning};
}

constexpr std::array<VerdictInfo, kVerdicts> kInfos = {{
    row(Verdict::request, "request", "translated, to its endpoint"),
    row(Verdict::reply, "reply", "translated, to its client"),
    row(Verdict::echo_reply, "echo_reply", "an echo request to a virtual address, answered"),
    row(Verdict::refused_no_endpoint, "refused_no_endpoint", "no ready endpoint: reset or port unreachable sent"),
    row(Verdict::refused_no_service_port, "refused_no_service_port",
        "a virtual address, but no service on this port: reset or port unreachable sent"),
    row(Verdict::refused_only_itself, "refused_only_itself",
        "the client is the service's only ready endpoint: reset or port unreachable sent"),
    row(Verdict::passed, "passed", "not for weft: on to the kernel"),
    row(Verdict::truncated, "truncated", "shorter than its headers say"),
    row(Verdict::bad_version, "bad_version", "the frame says IPv4, the header does not"),
    row(Verdict::bad_header_length, "bad_header_length", "an IPv4 or TCP header shorter than can be"),
    row(Verdict::bad_total_length, "bad_total_length", "an IPv4 or UDP length that does not fit its packet"),
    row(Verdict::bad_checksum, "bad_checksum", "the IPv4 header's checksum is wrong, or an echo request's own"),
    row(Verdict::bad_source, "bad_source", "to a virtual address, from one that can be no client's"),
    row(Verdict::fragment, "fragment", "a fragment to a virtual address"),
    row(Verdict::icmp, "icmp", "ICMP to a virtual address, other than an echo request"),
    row(Verdict::other_protocol, "other_protocol", "neither TCP, UDP nor ICMP, to a virtual address"),
    row(Verdict::no_flow, "no_flow",
        "a TCP segment that neither begins nor continues a connection, and belongs to no flow"),
    row(Verdict::ttl_expired, "ttl_expired", "the time to live ran out here"),
    row(Verdict::table_full, "table_full", "the flow table is full: the new flow is refused, the old stay"),
    row(Verdict::tuple_conflict, "tuple_conflict",
        "the client already uses this port towards the same endpoint by another virtual address or port"),
    row(Verdict::unanswerable, "unanswerable", "refused, but nothing may be sent back (a TCP RST)"),
    row(Verdict::not_ours, "not_ours", "not for weft, and no kernel behind the port to pass it to"),
    row(Verdict::transmit_full, "transmit_full", "the port took no more packets"),
}};

constexpr bool in_order() {
  for (size_t i = 0; i < kVerdicts; ++i) {
    if (kInfos[i].verdict != static_cast<Verdict>(i)) {
      return false;
    }
  }
  return true;
}
static_assert(in_order(), "one row a verdict, in the enum's order");

}  // namespace

const VerdictInfo& info(Verdict verdict) {
  return kInfos[static_cast<size_t>(verdict)];
}

}  // namespace weft::l4
