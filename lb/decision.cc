// SPDX-License-Identifier: Apache-2.0
#include "lb/decision.h"

namespace weft::lb {

std::string_view to_string(Rule rule) {
  switch (rule) {
    case Rule::affinity:
      return "session affinity";
    case Rule::consistent_hash:
      return "consistent hash";
    case Rule::not_itself:
      return "consistent hash, past the client itself";
    case Rule::only_itself:
      return "the client is the only ready endpoint";
    case Rule::no_endpoint:
      return "no ready endpoint";
    case Rule::not_permitted:
      return "source address not permitted";
    case Rule::not_authorized:
      return "denied by a policy of access";
    case Rule::weft_itself:
      return "weft answers itself";
    case Rule::no_service_port:
      return "no service on this port";
    case Rule::not_a_vip:
      return "not a virtual address";
  }
  return "unknown";
}

namespace {

/// Where it goes, if it may.
Decision place(const Snapshot& snapshot, const Service& service, const Tuple& tuple, uint64_t hash) {
  const Policy& policy = service.policy;
  const MaglevTable& table = *service.table;
  if (table.empty()) {
    return {.rule = Rule::no_endpoint, .service = &service};
  }
  if (policy.affinity_s > 0) {
    hash = hash_of(tuple.source, snapshot.seed());
  }
  const Target* target = &service.targets[table.pick(hash)];
  // With its source rewritten or in a tunnel, a packet may well go back to where it came from.
  if (target->address != tuple.source || policy.mode != Mode::nat) [[likely]] {
    return {.rule = Rule::consistent_hash, .service = &service, .target = target};
  }
  // The client's own kernel would drop a packet that comes from its own address.
  // The lower half of the hash spreads such clients' flows over the others.
  const size_t count = service.targets.size();
  for (size_t step = 0; step < count; ++step) {
    const Target* other = &service.targets[(static_cast<uint32_t>(hash) + step) % count];
    if (other->address != tuple.source) {
      return {.rule = Rule::not_itself, .service = &service, .target = other};
    }
  }
  return {.rule = Rule::only_itself, .service = &service, .target = target};
}

}  // namespace

Judgement judge_connection(const Snapshot& snapshot, const Service& service, const Address& client) {
  return service.authorization == nullptr ? Judgement()
                                          : service.authorization->judge(client, snapshot.callers().find(client));
}

Decision decide(const Snapshot& snapshot, const Tuple& tuple, uint64_t hash) {
  const Service* service = snapshot.find(tuple.destination, tuple.destination_port, tuple.protocol);
  if (service == nullptr) {
    return {.rule = snapshot.is_vip(tuple.destination) ? Rule::no_service_port : Rule::not_a_vip};
  }
  if (service->answers_names) {
    return {.rule = Rule::weft_itself, .service = service};
  }
  const Policy& policy = service->policy;
  if (policy.sources != nullptr && !policy.sources->permit(tuple.source)) {
    return {.rule = Rule::not_permitted, .service = service};
  }
  Judgement judgement;
  if (policy.mode != Mode::proxy && service->authorization != nullptr) {
    judgement = judge_connection(snapshot, *service, tuple.source);
    if (judgement.denied) {
      return {.rule = Rule::not_authorized, .service = service, .judgement = judgement};
    }
  }
  Decision decision = place(snapshot, *service, tuple, hash);
  decision.judgement = judgement;
  return decision;
}

}  // namespace weft::lb
