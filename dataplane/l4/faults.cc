// SPDX-License-Identifier: Apache-2.0
/// @file Faults that are injected on purpose, as packets meet them. Asked about only while any service has faults: one
/// test a burst.
#include "l4/family_pipeline.h"
#include "lb/fault.h"
#include "lb/http_choice.h"

namespace weft::l4 {

/// As forward(), but each packet is asked about.
template <typename Key>
void FamilyPipeline<Key>::forward_with_faults(Burst& burst, const View& view) {
  for (uint32_t i = 0; i < burst.size; ++i) {
    if (is_mine(burst.parsed[i]) && !forward_one(Packet(burst, i), burst.nominees[i], view, burst.verdicts[i])) {
      burst.flowless[burst.without_flow++] = static_cast<uint8_t>(i);
    }
  }
}

/// Does a fault of its service drop this packet of a known flow?
template <typename Key>
bool FamilyPipeline<Key>::is_spoiled(Packet packet, Ref nominee, const View& view, Verdict& verdict) {
  const Ref ref = flows_.find(packet.key(), packet.hash(), nominee, view.now);
  if (!ref) {
    return false;
  }
  const Flow& flow = flows_[ref];
  const bool is_tunnel = flow::is_tunnel(flow.kind);
  if (!flow::is_translated(flow.kind) && !is_tunnel) {
    return false;
  }
  const lb::Service* const service = view.snapshot.service_at(flow.service_slot);
  if (service == nullptr || service->faults == nullptr) {
    return false;
  }
  // One that has left ends its flows, or has them move, whatever was injected there.
  const lb::Fate fate = view.snapshot.fate_of(flow.endpoint_slot);
  if ((fate == lb::Fate::reset && packet.key().protocol == lb::Protocol::tcp) ||
      (ref.direction() == flow::Direction::request && must_move(packet, flow, fate))) {
    return false;
  }
  const lb::Address client(flow.request.source);
  const lb::Address endpoint = is_tunnel ? flow.tunnel_end() : lb::Address(flow.reply.source);
  const lb::FaultScope scope{
      .client = client, .caller = view.snapshot.callers().find(client), .now_ns = view.time_ns()};
  const uint64_t of_flow = hash_of(flow.request, context_.config.seed);
  const auto drop = [&](const lb::Fault& fault, lb::Injected what, Verdict why) {
    context_.faults.count(self(), fault, what);
    verdict = why;
    return true;
  };
  for (const lb::Fault& fault : *service->faults) {
    if (!fault.acts_on_packets() || !lb::is_about(fault, scope) || !lb::is_hit_flow(fault, of_flow)) {
      continue;
    }
    if (lb::has_killed(fault, endpoint)) {
      return drop(fault, lb::Injected::dead, Verdict::fault_dead);
    }
    if (fault.loss > 0 && lb::scaled(context_.fault_random(), lb::Fault::kWhole) < fault.loss) {
      return drop(fault, lb::Injected::lost, Verdict::fault_lost);
    }
    if (fault.bits_per_second > 0 && !context_.faults.has_room(fault, packet.parsed().ip_length, scope.now_ns)) {
      return drop(fault, lb::Injected::throttled, Verdict::fault_throttled);
    }
  }
  return false;
}

/// Is this new connection to be answered with a reset? Precondition: the service has faults.
template <typename Key>
bool FamilyPipeline<Key>::is_reset_by_fault(Packet packet, const lb::Service& service, const View& view) {
  if (packet.key().protocol != lb::Protocol::tcp || !flow::begins_connection(packet.parsed().tcp_flags)) {
    return false;
  }
  const lb::Address client(packet.key().source);
  const lb::FaultScope scope{
      .client = client, .caller = view.snapshot.callers().find(client), .now_ns = view.time_ns()};
  for (const lb::Fault& fault : *service.faults) {
    if (fault.resets && lb::is_about(fault, scope) && lb::is_hit_flow(fault, packet.hash())) {
      context_.faults.count(self(), fault, lb::Injected::reset);
      return true;
    }
  }
  return false;
}

template class FamilyPipeline<lb::FlowKey4>;
template class FamilyPipeline<lb::FlowKey6>;

}  // namespace weft::l4
