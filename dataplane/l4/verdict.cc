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
    row(Verdict::tunneled, "tunneled", "in a tunnel, to its endpoint"),
    row(Verdict::tunneled_by_hash, "tunneled_by_hash",
        "in a tunnel, to the endpoint that the hash alone names: no flow was made"),
    row(Verdict::reply_by_hash, "reply_by_hash",
        "soon after a start, from an endpoint to the client whom the hash alone names: no flow was made"),
    row(Verdict::icmp_error, "icmp_error", "an ICMP error about a flow's packet, translated"),
    row(Verdict::echo_reply, "echo_reply", "an echo request to a virtual address, answered"),
    row(Verdict::too_big_answered, "too_big_answered", "too large for where it goes: packet too big sent"),
    row(Verdict::ended_with_endpoint, "ended_with_endpoint",
        "the endpoint has left and its grace time is over: reset sent"),
    row(Verdict::ended_by_policy, "ended_by_policy",
        "of a connection that a policy of access has forbidden since it began: reset sent"),
    row(Verdict::refused_no_endpoint, "refused_no_endpoint", "no ready endpoint: reset or port unreachable sent"),
    row(Verdict::refused_no_service_port, "refused_no_service_port",
        "a virtual address, but no service on this port: reset or port unreachable sent"),
    row(Verdict::refused_only_itself, "refused_only_itself",
        "the client is the service's only ready endpoint: reset or port unreachable sent"),
    row(Verdict::refused_over_limit, "refused_over_limit",
        "the service has as many flows as it may: reset or port unreachable sent"),
    row(Verdict::refused_unknown, "refused_unknown",
        "in a connection whose source port of the node's own is not known any more: reset sent"),
    row(Verdict::refused_not_authorized, "refused_not_authorized",
        "a policy of access denies the connection: reset sent"),
    row(Verdict::refused_by_fault, "refused_by_fault", "a fault that is injected on purpose resets it: reset sent"),
    row(Verdict::from_kernel, "from_kernel", "the kernel's own, sent on for it"),
    row(Verdict::segment, "segment", "sent by weft's own TCP"),
    row(Verdict::name_answered, "name_answered", "a query to weft's own name server, answered"),
    row(Verdict::name_relayed, "name_relayed", "another name server's answer, sent on to who asked"),
    row(Verdict::delivered, "delivered", "to weft's own TCP"),
    row(Verdict::name_forwarded, "name_forwarded", "a query that other name servers are asked (dns.upstreams)"),
    row(Verdict::passed, "passed", "not for weft: on to the kernel"),
    row(Verdict::handed_over, "handed_over", "to the worker that has its flow"),
    row(Verdict::truncated, "truncated", "shorter than its headers say"),
    row(Verdict::bad_version, "bad_version", "the frame says IPv4 or IPv6, the header does not"),
    row(Verdict::bad_header_length, "bad_header_length", "an IPv4 or TCP header shorter than can be"),
    row(Verdict::bad_total_length, "bad_total_length", "an IP or UDP length that does not fit its packet"),
    row(Verdict::bad_checksum, "bad_checksum", "the IPv4 header's checksum is wrong, or an ICMP message's own"),
    row(Verdict::bad_transport_checksum, "bad_transport_checksum",
        "the device found TCP's or UDP's checksum wrong, and so it is"),
    row(Verdict::too_many_buffers, "too_many_buffers", "longer than the buffers of its port: more than its MTU"),
    row(Verdict::bad_extension, "bad_extension", "IPv6 extension headers that are malformed, or too many"),
    row(Verdict::bad_source, "bad_source", "to a virtual address, from one that can be no client's"),
    row(Verdict::fragment, "fragment", "a fragment to a virtual address whose first fragment was not seen"),
    row(Verdict::icmp, "icmp", "ICMP to a virtual address: no echo request, and no error about a flow's packet"),
    row(Verdict::other_protocol, "other_protocol", "neither TCP, UDP nor ICMP, to a virtual address"),
    row(Verdict::no_flow, "no_flow",
        "a TCP segment that neither begins nor continues a connection, and belongs to no flow"),
    row(Verdict::ttl_expired, "ttl_expired", "the time to live ran out here"),
    row(Verdict::too_big, "too_big", "too large for where it goes, and nothing may be sent back"),
    row(Verdict::not_permitted, "not_permitted", "the service's source ranges do not permit the client"),
    row(Verdict::not_authorized, "not_authorized", "a policy of access denies the client's datagrams"),
    row(Verdict::over_service_rate, "over_service_rate", "the service has had its share of new flows for now"),
    row(Verdict::over_source_rate, "over_source_rate", "the client has had its share of new flows for now"),
    row(Verdict::overload, "overload", "the worker has had its share of new flows for now"),
    row(Verdict::table_full, "table_full",
        "the flow table is full, but for other services' shares: the new flow is refused, the old stay"),
    row(Verdict::tuple_conflict, "tuple_conflict",
        "the client already uses this port towards the same endpoint by another virtual address or port"),
    row(Verdict::fault_dead, "fault_dead", "a fault that is injected on purpose has its endpoint look dead"),
    row(Verdict::fault_lost, "fault_lost", "lost by a fault that is injected on purpose"),
    row(Verdict::fault_throttled, "fault_throttled",
        "more than the bandwidth that a fault leaves which is injected on purpose"),
    row(Verdict::own_ports_dry, "own_ports_dry", "no address and port of the node's own is left to send from"),
    row(Verdict::no_tunnel_source, "no_tunnel_source", "no tunnel source of the endpoint's address family"),
    row(Verdict::no_next_hop, "no_next_hop", "no route, or the next hop's Ethernet address is not known yet"),
    row(Verdict::steering_full, "steering_full", "the worker where replies come in had no room to be told"),
    row(Verdict::handover_full, "handover_full", "the worker that has its flow had no room for it"),
    row(Verdict::unanswerable, "unanswerable", "refused, but nothing may be sent back (a TCP RST)"),
    row(Verdict::no_query, "no_query", "to weft's own name server, and no DNS query: an answer, or too short"),
    row(Verdict::answer_limited, "answer_limited", "refused, and enough ICMP errors were sent for now"),
    row(Verdict::not_ours, "not_ours", "not for weft, and no kernel behind the port to pass it to"),
    row(Verdict::kernel_limited, "kernel_limited", "not for weft, and the kernel has had its share for now"),
    row(Verdict::wrong_vlan, "wrong_vlan", "without the port's VLAN tag, or with another"),
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

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::transmitted:
      return "transmitted";
    case Outcome::delivered:
      return "delivered";
    case Outcome::passed:
      return "passed";
    case Outcome::handed_over:
      return "handed over";
    case Outcome::dropped:
      return "dropped";
  }
  return "unknown";
}

}  // namespace weft::l4
