// SPDX-License-Identifier: Apache-2.0
#include "l4/family_pipeline.h"

namespace weft::l4 {

/// What is not resolved yet is asked for.
template <typename Key>
uint16_t FamilyPipeline<Key>::way_to(const lb::Address& address, uint8_t ingress, const View& view) {
  const uint16_t hop = view.forwarding.route(address, ingress);
  if (!view.forwarding[hop].in_force()) [[unlikely]] {
    context_.unresolved.add(address);
  }
  return hop;
}

/// The next hop that stands for the way to an address; if it is not in force, the one that does now.
template <typename Key>
[[gnu::noinline]] const NextHop& FamilyPipeline<Key>::renew(uint16_t& hop, const lb::Address& address,
                                                            const View& view) {
  if (!view.forwarding[hop].in_force()) {
    // Without a route it leaves by the port that it left by before.
    hop = way_to(address, view.forwarding[hop].port, view);
  }
  return view.forwarding[hop];
}

template <typename Key>
[[gnu::noinline]] const NextHop& FamilyPipeline<Key>::renew(Flow& flow, flow::Direction direction, const View& view) {
  if (direction == flow::Direction::reply) {
    return renew(flow.to_client, flow.request.source, view);
  }
  const uint8_t before = view.forwarding[flow.to_endpoint].port;
  const lb::Address endpoint = flow::is_tunnel(flow.kind) ? flow.tunnel_end() : lb::Address(flow.reply.source);
  const NextHop& hop = renew(flow.to_endpoint, endpoint, view);
  if (hop.port != before) {
    // Replies may now come in elsewhere. If the worker there can't be told, they are handed over or lost: none is worse
    // off.
    steer(flow, Note::What::steer, view);
  }
  return hop;
}

template <typename Key>
uint32_t FamilyPipeline<Key>::renew_hops(uint32_t from, uint32_t count, const View& view) {
  const uint32_t end = from + std::min(count, flows_.high_water() - std::min(from, flows_.high_water()));
  for (; from < end; ++from) {
    Flow& flow = flows_[Ref(from, flow::Direction::request)];
    if (flow.state != flow::State::free && flow.kind != flow::Kind::steered) {
      renew(flow, flow::Direction::request, view);
      renew(flow, flow::Direction::reply, view);
    }
  }
  return end < flows_.high_water() ? end : 0;
}

template class FamilyPipeline<lb::FlowKey4>;
template class FamilyPipeline<lb::FlowKey6>;

}  // namespace weft::l4
