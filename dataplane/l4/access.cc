// SPDX-License-Identifier: Apache-2.0
/// @file Policies of access where nobody reads requests: who may begin a flow, and which flows are to end.
#include "l4/family_pipeline.h"

namespace weft::l4 {

/// As a host that has nothing there, for TCP. What says nothing of its end is told nothing.
template <typename Key>
Verdict FamilyPipeline<Key>::deny(Packet packet, const lb::Service& service, const View& view) {
  context_.counters.service[service.slot].refused.add(1);
  context_.counters.service[service.slot].denied.add(1);
  return packet.key().protocol == lb::Protocol::tcp ? refuse(packet, Verdict::refused_not_authorized, view)
                                                    : Verdict::not_authorized;
}

/// One that has ended is not told from another by its kind any more.
template <typename Key>
bool FamilyPipeline<Key>::has_own_port(const Flow& flow) const {
  return flow.kind == flow::Kind::fullnat ||
         (flow.kind == flow::Kind::ended && context_.own_ports.is_own(flow.reply.destination));
}

/// Of a translated TCP flow both ends are to be told, so it stays until it has been quiet for long. Others are
/// forgotten: their next packet is decided on anew, and denied.
template <typename Key>
uint32_t FamilyPipeline<Key>::judge_flows(uint32_t from, uint32_t count, const View& view) {
  const uint32_t end = from + std::min(count, flows_.high_water() - std::min(from, flows_.high_water()));
  for (; from < end; ++from) {
    const Ref ref(from, flow::Direction::request);
    Flow& flow = flows_[ref];
    if (flow.state == flow::State::free || flow.kind == flow::Kind::steered || flow.kind == flow::Kind::ended) {
      continue;
    }
    const lb::Service* const service = view.snapshot.service_at(flow.service_slot);
    if (service == nullptr || service->authorization == nullptr ||
        !lb::judge_connection(view.snapshot, *service, lb::Address(flow.request.source)).denied) {
      continue;
    }
    if (flow::is_translated(flow.kind) && flow.request.protocol == lb::Protocol::tcp) {
      flow.kind = flow::Kind::ended;
    } else {
      forget(flow, view);
      flows_.remove(ref);
    }
  }
  return end < flows_.high_water() ? end : 0;
}

template class FamilyPipeline<lb::FlowKey4>;
template class FamilyPipeline<lb::FlowKey6>;

}  // namespace weft::l4
