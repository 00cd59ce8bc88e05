// SPDX-License-Identifier: Apache-2.0
#include "l4/family_pipeline.h"
#include "lb/http_policy.h"
#include "packet/headers.h"

namespace weft::l4 {
namespace {

using flow::Kind;

/// Each worker has its part of a bound of the whole node. Never nothing of a client's: it has but few flows.
lb::Rate part_of(const lb::Rate& rate, uint32_t worker, uint32_t workers, uint32_t least) {
  return {.per_second = std::max(least, lb::share_of(rate.per_second, worker, workers)),
          .burst = std::max(least, lb::share_of(rate.burst, worker, workers))};
}

}  // namespace

template <typename Key>
lb::Decision FamilyPipeline<Key>::decide(const Burst& burst, uint32_t i, const View& view) const {
  const Key& key = packet::key_of<Key>(burst.parsed[i]);
  const lb::Decision decision = lb::decide(view.snapshot, lb::Tuple(key), burst.hashes[i]);
  // In overload nothing is inserted, and a flood's lines would only push out those of flows that go on.
  if (decision.target != nullptr && decision.target->address.is<Address>() &&
      context_.new_flows.has_some(context_.config.new_flows, view.now)) {
    // A guess of the reply's tuple, right for the plainest mode: its place in the table is far away by then.
    const Key reply = Key::make(decision.target->address.as<Address>(), decision.target->port, key.source,
                                key.source_port, key.protocol);
    flows_.prefetch_insert(hash_of(reply, context_.config.seed));
    __builtin_prefetch(&context_.counters.endpoint[decision.target->slot], 1);
  }
  return decision;
}

template <typename Key>
void FamilyPipeline<Key>::admit(Burst& burst, uint32_t i, const View& view, const lb::Decision& decision) {
  Packet packet(burst, i);
  // A packet before this one, of the same burst, may have begun its flow.
  if (context_.begun_in_burst == 0 || !forward_one(packet, {}, view, burst.verdicts[i])) {
    burst.verdicts[i] = admit(packet, decision, view);
  }
}

template <typename Key>
Verdict FamilyPipeline<Key>::admit(Packet packet, const lb::Decision& decision, const View& view) {
  if (decision.rule == lb::Rule::not_a_vip) {
    return stray(packet, view);
  }
  const bool answers_names = decision.service != nullptr && decision.service->answers_names;
  if (answers_names && packet.key().protocol == lb::Protocol::udp && !packet.is_fragment()) {
    return answer_name(packet, view);  // by whichever worker it came to
  }
  const Landing& landing = view.forwarding.port(packet.ingress()).landing;
  if (!packet.taken_over() && !alone() && (landing.spreads() || packet.is_fragment())) {
    if (const uint32_t owner = landing.of_request(packet.key(), self()); owner != self()) {
      return hand_over(packet, owner);
    }
  }
  if (!can_be_client(packet.key().source, view.snapshot)) {
    return Verdict::bad_source;
  }
  const bool proxied = decision.service != nullptr && decision.service->policy.mode == lb::Mode::proxy;
  if (proxied && !context_.config.proxies) {
    return Verdict::own_ports_dry;
  }
  if (proxied &&
      !flow::begins_connection(packet.parsed().tcp_flags)) {  // of a connection that was permitted, or of none
    return deliver(packet, decision.rule == lb::Rule::not_permitted ? Burst::kSilent : decision.service->slot);
  }
  if (decision.rule == lb::Rule::not_permitted) {
    context_.counters.service[decision.service->slot].refused.add(1);
    return Verdict::not_permitted;
  }
  lb::Judgement judgement = decision.judgement;
  if (proxied && decision.service->authorization != nullptr && decision.service->is_opaque()) {
    judgement = lb::judge_connection(view.snapshot, *decision.service, packet.key().source);
  }
  if (judgement.denied) {
    return deny(packet, *decision.service, view);
  }
  if (!proxied && decision.service != nullptr && decision.service->faults != nullptr &&
      is_reset_by_fault(packet, *decision.service, view)) [[unlikely]] {
    context_.counters.service[decision.service->slot].refused.add(1);
    return refuse(packet, Verdict::refused_by_fault, view);
  }
  const bool hairpin = decision.rule == lb::Rule::only_itself && !context_.own_ports.empty();
  // Requests may go to other services' endpoints; a client of whom none can, is told so.
  const bool reads_requests =
      proxied && decision.service->http != nullptr && decision.service->http->protocol == lb::AppProtocol::http;
  if (!reads_requests && !answers_names &&
      (decision.target == nullptr || (decision.rule == lb::Rule::only_itself && !hairpin))) {
    if (decision.service != nullptr) {
      context_.counters.service[decision.service->slot].refused.add(1);
    }
    return refuse(packet,
                  decision.rule == lb::Rule::no_endpoint   ? Verdict::refused_no_endpoint
                  : decision.rule == lb::Rule::only_itself ? Verdict::refused_only_itself
                                                           : Verdict::refused_no_service_port,
                  view);
  }
  const uint8_t flags = packet.parsed().tcp_flags;
  if (packet.key().protocol == lb::Protocol::tcp && !flow::begins_connection(flags) &&
      !flow::continues_connection(flags)) {
    if (context_.recovery.vips(view.now) != nullptr) {
      context_.recovery.exclude(packet.hash(), view.now);
    }
    return Verdict::no_flow;
  }
  if (packet.ends_here() && !proxied) {
    return Verdict::ttl_expired;
  }
  Way way{.kind = hairpin ? Kind::fullnat : kind_of(decision.service->policy),
          .service = decision.service,
          .target = decision.target};
  if (const lb::Target* home = proxied ? nullptr : home_of(packet, decision, view); home != nullptr) {
    way.target = home;
  }
  if (const Verdict verdict = bound(packet, *way.service, view); verdict != Verdict::request) {
    const Verdict ended = by_hash_or(verdict, packet, way, view);
    context_.counters.service[way.service->slot].refused.add(ended == Verdict::tunneled_by_hash ? 0 : 1);
    return ended;
  }
  if (proxied) {
    return deliver(packet, decision.service->slot);
  }
  context_.counters.service[way.service->slot].dry_run_denied.add(judgement.dry_run_denied ? 1 : 0);
  return flow::is_tunnel(way.kind) ? begin_tunnel(packet, way, view) : begin(packet, way, view);
}

/// Its connection ends here.
template <typename Key>
Verdict FamilyPipeline<Key>::deliver(Packet packet, uint32_t listener) {
  if (packet.is_fragment()) {
    return Verdict::fragment;
  }
  packet.listener() = listener;
  return Verdict::delivered;
}

/// Session affinity: where the client went before, if that was not too long ago and is still open to new flows. Workers
/// tell each other of their clients, as a client's flows are spread over them.
template <typename Key>
const lb::Target* FamilyPipeline<Key>::home_of(Packet packet, const lb::Decision& decision, const View& view) {
  const lb::Service& service = *decision.service;
  if (service.policy.affinity_s == 0) {
    return nullptr;
  }
  const time::Millis timeout = std::min(service.policy.affinity_s, 4'000'000U) * 1000;
  const uint64_t client = hash_of(lb::Address(packet.key().source), context_.config.seed + service.slot + 1);
  Home* home = context_.clients.find(client, view.now, timeout);
  const lb::Target* target = home == nullptr ? nullptr : view.snapshot.target_of(service, home->endpoint_slot);
  bool tell = target == nullptr;
  if (target == nullptr) {
    target = decision.target;
    home = context_.clients.put(client, {.endpoint_slot = target->slot}, view.now);
  } else {
    tell = time::elapsed(home->told, view.now) > timeout / 4;
  }
  if (tell) {
    home->told = view.now;
    Note note;
    note.what = Note::What::client;
    note.endpoint_slot = target->slot;
    note.client = client;
    // If there is no room, they go by the hash: it says the same, but after a change.
    context_.outbox.add_for_all_but(self(), note);
  }
  return target;
}

/// May the service have another flow? Verdict::request if so.
template <typename Key>
Verdict FamilyPipeline<Key>::bound(Packet packet, const lb::Service& service, const View& view) {
  const lb::Policy& policy = service.policy;
  const PipelineConfig& config = context_.config;
  if (!context_.new_flows.take(config.new_flows, view.now)) {
    return Verdict::overload;
  }
  if (policy.new_flows_by_source.per_second > 0) {
    const uint64_t source = hash_of(lb::Address(packet.key().source), config.seed - service.slot - 1);
    lb::TokenBucket* bucket = context_.sources.find(source, view.now, UINT32_MAX);
    bucket = bucket == nullptr ? context_.sources.put(source, {}, view.now) : bucket;
    if (!bucket->take(part_of(policy.new_flows_by_source, self(), config.workers, 1), view.now)) {
      return Verdict::over_source_rate;
    }
  }
  if (policy.new_flows.per_second > 0 &&
      !context_.service_rates[service.slot].take(part_of(policy.new_flows, self(), config.workers, 0), view.now)) {
    return Verdict::over_service_rate;
  }
  const uint64_t used = context_.counters.service[service.slot].active_flows.get();
  const uint64_t open = used - context_.counters.service[service.slot].closed_flows.get();
  if (policy.max_flows > 0 && open >= lb::share_of(policy.max_flows, self(), config.workers)) {
    return Verdict::refused_over_limit;
  }
  // What is proxied takes no flow: TCP has bounds of its own.
  const bool has_room = policy.mode == lb::Mode::proxy || shares_.admit(service.slot, used, flows_.size());
  return has_room ? Verdict::request : Verdict::table_full;
}

/// A tunnel needs no flow: where there is no room for one, the hash alone says where a packet goes, and says the same
/// of the next one while the endpoints stay.
template <typename Key>
Verdict FamilyPipeline<Key>::by_hash_or(Verdict verdict, Packet packet, const Way& way, const View& view) {
  const bool for_want_of_room = verdict == Verdict::overload || verdict == Verdict::table_full;
  if (flow::is_tunnel(way.kind) && for_want_of_room) {
    uint16_t hop = way_to(way.target->address, packet.ingress(), view);
    const Verdict sent = tunnel(packet, way.target->address, way.kind, hop, view);
    return sent == Verdict::tunneled ? Verdict::tunneled_by_hash : sent;
  }
  return verdict == Verdict::refused_over_limit ? refuse(packet, verdict, view) : verdict;
}

template <typename Key>
Verdict FamilyPipeline<Key>::begin(Packet packet, const Way& way, const View& view) {
  const Key& request = packet.key();
  const lb::Target& target = *way.target;
  const auto endpoint = target.address.as<Address>();
  const uint16_t to_endpoint = way_to(target.address, packet.ingress(), view);
  const auto removed = [&](const Flow& flow) { forget(flow, view); };
  typename Table::Insertion inserted;
  Kind kind = way.kind;
  if (kind == Kind::nat) {
    const Key reply = Key::make(endpoint, target.port, request.source, request.source_port, request.protocol);
    inserted = flows_.insert(request, packet.hash(), reply, view.now, removed);
    // Two virtual addresses, one endpoint: replies could not be told apart. With a source of the node's own they can.
    if (inserted.refusal == Refusal::conflict && !context_.own_ports.empty()) {
      kind = Kind::fullnat;
    }
  }
  if (kind == Kind::fullnat) {
    if (request.protocol == lb::Protocol::tcp && !flow::begins_connection(packet.parsed().tcp_flags)) {
      // By another port it would be another's connection, or nobody's: its client is told, and need not wait.
      return refuse(packet, Verdict::refused_unknown, view);
    }
    const Landing& landing = view.forwarding.port(view.forwarding[to_endpoint].port).landing;
    const std::optional<Key> reply =
        context_.own_ports.template take<Key>(endpoint, target.port, request.protocol, landing, packet.hash());
    if (!reply) {
      return Verdict::own_ports_dry;
    }
    inserted = flows_.insert(request, packet.hash(), *reply, view.now, removed);
    if (inserted.flow == nullptr) {
      context_.own_ports.give_back(*reply);
    }
  }
  if (inserted.flow == nullptr) {
    return inserted.refusal == Refusal::full ? Verdict::table_full : Verdict::tuple_conflict;
  }
  Flow& flow = *inserted.flow;
  flow.kind = kind;
  flow.to_endpoint = to_endpoint;
  flow.deltas = packet::deltas_of(flow.request, reversed(flow.reply));
  return began(packet, inserted.ref, way, view);
}

template <typename Key>
Verdict FamilyPipeline<Key>::begin_tunnel(Packet packet, const Way& way, const View& view) {
  const auto removed = [&](const Flow& flow) { forget(flow, view); };
  const typename Table::Insertion inserted =
      flows_.insert_tunnel(way.kind, packet.key(), packet.hash(), way.target->address, view.now, removed);
  if (inserted.flow == nullptr) {
    return by_hash_or(Verdict::table_full, packet, way, view);
  }
  inserted.flow->to_endpoint = way_to(way.target->address, packet.ingress(), view);
  return began(packet, inserted.ref, way, view);
}

template <typename Key>
Verdict FamilyPipeline<Key>::began(Packet packet, Ref ref, const Way& way, const View& view) {
  Flow& flow = flows_[ref];
  const bool tcp = packet.key().protocol == lb::Protocol::tcp;
  ++context_.begun_in_burst;
  flow.state = tcp ? flow::State::tcp_opening : flow::State::udp_request;
  flow.service_slot = static_cast<uint16_t>(way.service->slot);
  flow.endpoint_slot = way.target->slot;
  flow.to_client = way_to(packet.key().source, packet.ingress(), view);
  ServiceCounters& service = context_.counters.service[flow.service_slot];
  shares_.added(flow.service_slot, service.active_flows.get());
  service.flows.add(1);
  service.active_flows.add(1);
  context_.counters.endpoint[flow.endpoint_slot].flows.add(1);
  context_.counters.endpoint[flow.endpoint_slot].active_flows.add(1);
  if (!steer(flow, Note::What::steer, view)) {
    settle(flow);
    flows_.remove(ref);
    return Verdict::steering_full;
  }
  context_.adopted_flows += tcp && !flow::begins_connection(packet.parsed().tcp_flags) ? 1 : 0;
  Verdict verdict{};
  forward_one(packet, ref, view, verdict);
  return verdict;
}

/// Tells the worker where the flow's replies come in, or all if nobody knows where. @returns whether there was nothing
/// to tell, or room to tell it
template <typename Key>
bool FamilyPipeline<Key>::steer(const Flow& flow, Note::What what, const View& view) {
  if (alone() || (!flow::is_translated(flow.kind) && flow.kind != Kind::ended)) {
    return true;
  }
  const Landing& landing = view.forwarding.port(view.forwarding[flow.to_endpoint].port).landing;
  Note note;
  note.what = what;
  note.from = static_cast<uint16_t>(self());
  if constexpr (std::is_same_v<Key, lb::FlowKey4>) {
    note.key4 = flow.reply;
  } else {
    note.family = lb::Family::ipv6;
    note.key6 = flow.reply;
  }
  if (has_own_port(flow)) {  // which landed at home by the way that it was picked for
    const uint32_t where = landing.owner_of_own(flow.reply);
    return where == self() || context_.outbox.add(where, note);
  }
  if (!landing.predictable()) {
    return context_.outbox.add_for_all_but(self(), note);
  }
  const uint32_t where = landing.of_reply(flow.reply, self());
  return where == self() || context_.outbox.add(where, note);
}

/// A flow is about to be removed. If the worker where its replies come in can't be told, the note there goes with time.
template <typename Key>
void FamilyPipeline<Key>::forget(const Flow& flow, const View& view) {
  steer(flow, Note::What::steer_no_more, view);
  settle(flow);
}

template <typename Key>
void FamilyPipeline<Key>::settle(const Flow& flow) {
  if (flow.kind == Kind::steered) {
    return;
  }
  if (has_own_port(flow)) {
    context_.own_ports.give_back(flow.reply);
  }
  ServiceCounters& service = context_.counters.service[flow.service_slot];
  context_.counters.endpoint[flow.endpoint_slot].active_flows.subtract(1);
  service.active_flows.subtract(1);
  service.closed_flows.subtract(flow.state == flow::State::tcp_closed ? 1 : 0);
  shares_.removed(flow.service_slot, service.active_flows.get());
}

template <typename Key>
void FamilyPipeline<Key>::note(const Note& note, time::Millis now) {
  const auto& key = [&]() -> const Key& {
    if constexpr (std::is_same_v<Key, lb::FlowKey4>) {
      return note.key4;
    } else {
      return note.key6;
    }
  }();
  if (note.what == Note::What::steer) {
    flows_.insert_steered(key, note.from, now, [](const Flow&) {});
  } else {
    flows_.remove_steered(key, note.from);
  }
}

template <typename Key>
void FamilyPipeline<Key>::renew(const lb::Snapshot& snapshot) {
  shares_.renew(snapshot, lb::family_of<Address>, context_.counters);
}

/// Whoever steers a flow's replies is told before it goes: there is time, and there will be room. Half of the room is
/// left to flows that begin. A service within its guarantee has no part in what fills the table, nor in the hurry.
template <typename Key>
void FamilyPipeline<Key>::sweep(uint32_t budget, const View& view) {
  flows_.sweep(budget, view.now, [&](const Flow& flow) {
    const bool hurried = time::elapsed(flow.last_seen, view.now) <= flows_.timeout(flow.state);
    if (hurried &&
        shares_.is_within(flow.service_slot, context_.counters.service[flow.service_slot].active_flows.get())) {
      return false;
    }
    if (!context_.outbox.has_half_its_room() || !steer(flow, Note::What::steer_no_more, view)) {
      return false;
    }
    settle(flow);
    return true;
  });
}

template class FamilyPipeline<lb::FlowKey4>;
template class FamilyPipeline<lb::FlowKey6>;

}  // namespace weft::l4
