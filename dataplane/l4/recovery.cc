// SPDX-License-Identifier: Apache-2.0
#include "l4/recovery.h"

#include <algorithm>
#include <tuple>

#include "l4/family_pipeline.h"
#include "packet/translate.h"

namespace weft::l4 {
namespace {

constexpr auto kByEndpoint = [](const VipsOfEndpoints::Entry& a, const VipsOfEndpoints::Entry& b) {
  return std::tie(a.address, a.port) < std::tie(b.address, b.port);
};

}  // namespace

VipsOfEndpoints::VipsOfEndpoints(const lb::Snapshot& snapshot) {
  for (const lb::Service& service : snapshot.services()) {
    if (service.protocol != lb::Protocol::tcp || service.policy.mode != lb::Mode::nat) {
      continue;
    }
    for (const lb::Target& target : service.targets) {
      entries_.push_back(
          {.address = target.address, .port = target.port, .vip_port = service.port, .vip = service.address});
    }
  }
  std::sort(entries_.begin(), entries_.end(), kByEndpoint);
}

std::span<const VipsOfEndpoints::Entry> VipsOfEndpoints::of(const lb::Address& address, lb::Port port) const {
  const auto [first, last] =
      std::equal_range(entries_.begin(), entries_.end(), Entry{.address = address, .port = port}, kByEndpoint);
  return {first, last};
}

/// A packet of no flow, and not to a virtual address. @returns whether it has its verdict now
template <typename Key>
bool FamilyPipeline<Key>::recover(Packet packet, const View& view, Verdict& verdict) {
  const VipsOfEndpoints* vips = context_.recovery.vips(view.now);
  const Key& reply = packet.key();
  if (vips == nullptr || packet.parsed().kind != packet::Kind::transport || reply.protocol != lb::Protocol::tcp) {
    return false;
  }
  const uint8_t flags = packet.parsed().tcp_flags;
  const auto entries = vips->of(reply.source, reply.source_port);
  constexpr uint8_t kSynAck = packet::tcp_flag::syn | packet::tcp_flag::ack;
  if ((flags & kSynAck) == kSynAck && !entries.empty()) {
    context_.recovery.exclude(packet.hash(), view.now);
  }
  if (!flow::continues_connection(flags) || context_.recovery.is_excluded(packet.hash(), view.now)) {
    return false;
  }
  for (const VipsOfEndpoints::Entry& entry : entries) {
    if (!entry.vip.is<Address>()) {
      continue;
    }
    const Key request = Key::make(reply.destination, reply.destination_port, entry.vip.as<Address>(), entry.vip_port,
                                  lb::Protocol::tcp);
    const uint64_t hash = hash_of(request, context_.config.seed);
    const lb::Decision decision = lb::decide(view.snapshot, lb::Tuple(request), hash);
    const bool is_its = decision.target != nullptr && decision.target->address == entry.address &&
                        decision.target->port == entry.port && kind_of(decision.service->policy) == flow::Kind::nat;
    if (!is_its || context_.recovery.is_excluded(hash, view.now) || context_.recovery.has_been_tried(hash, view.now)) {
      continue;
    }
    verdict = send_by_hash(packet, request, view);
    return true;
  }
  return false;
}

template <typename Key>
Verdict FamilyPipeline<Key>::send_by_hash(Packet packet, const Key& request, const View& view) {
  if (packet.ends_here()) {
    return Verdict::ttl_expired;
  }
  const NextHop& hop = view.forwarding[way_to(request.source, packet.ingress(), view)];
  if (packet.parsed().ip_length > hop.mtu) {
    return hop.in_force() ? answer_too_big(packet, hop.mtu, view) : Verdict::no_next_hop;
  }
  const Key to = reversed(request);
  packet::translate(packet.ip(), packet.transport(), to, packet::deltas_of(packet.key(), to));
  return send(packet, hop, Verdict::reply_by_hash);
}

template bool FamilyPipeline<lb::FlowKey4>::recover(Packet, const View&, Verdict&);
template bool FamilyPipeline<lb::FlowKey6>::recover(Packet, const View&, Verdict&);
template Verdict FamilyPipeline<lb::FlowKey4>::send_by_hash(Packet, const lb::FlowKey4&, const View&);
template Verdict FamilyPipeline<lb::FlowKey6>::send_by_hash(Packet, const lb::FlowKey6&, const View&);

}  // namespace weft::l4
