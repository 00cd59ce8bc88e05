// SPDX-License-Identifier: Apache-2.0
#include "lb/decision.h"

namespace weft::lb {

std::string_view to_string(Rule rule) {
  switch (rule) {
    case Rule::consistent_hash:
      return "consistent hash";
    case Rule::not_itself:
      return "consistent hash, past the client itself";
    case Rule::only_itself:
      return "the client is the only ready endpoint";
    case Rule::no_endpoint:
      return "no ready endpoint";
    case Rule::no_service_port:
      return "no service on this port";
    case Rule::not_a_vip:
      return "not a virtual address";
  }
  return "unknown";
}

Decision decide(const Snapshot& snapshot, const FlowKey& key, uint64_t hash) {
  const Service* service = snapshot.find(key.destination, key.destination_port, key.protocol);
  if (service == nullptr) {
    return {.rule = snapshot.is_vip(key.destination) ? Rule::no_service_port : Rule::not_a_vip};
  }
  const MaglevTable& table = *service->table;
  if (table.empty()) {
    return {.rule = Rule::no_endpoint, .service = service};
  }
  const Target* target = &service->targets[table.pick(hash)];
  if (target->address != key.source) [[likely]] {
    return {.rule = Rule::consistent_hash, .service = service, .target = target};
  }
  // The client's own kernel would drop a packet that comes from its own address.
  // The lower half of the hash spreads such clients' flows over the others.
  const size_t count = service->targets.size();
  for (size_t step = 0; step < count; ++step) {
    target = &service->targets[(static_cast<uint32_t>(hash) + step) % count];
    if (target->address != key.source) {
      return {.rule = Rule::not_itself, .service = service, .target = target};
    }
  }
  return {.rule = Rule::only_itself, .service = service};
}

}  // namespace weft::lb
