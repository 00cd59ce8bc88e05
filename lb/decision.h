// SPDX-License-Identifier: Apache-2.0
/// @file Where does a new flow go, and by which rule? The one place that answers, for packets and for operators alike.
#pragma once

#include "lb/authorization.h"
#include "lb/snapshot.h"

namespace weft::lb {

enum class Rule : uint8_t {
  affinity,         ///< the client was here before; only where the caller remembers clients
  consistent_hash,  ///< the service's Maglev table named the endpoint
  not_itself,       ///< the table named the client itself; the hash picked among the others
  only_itself,      ///< the client is the service's only ready endpoint: refused
  no_endpoint,      ///< the service has no ready endpoint: refused
  not_permitted,    ///< the client's address is not in the service's source ranges: refused
  not_authorized,   ///< a policy of access denies the connection: refused
  weft_itself,      ///< nobody is behind the service: weft answers names there
  no_service_port,  ///< the address is a VIP, but no service has this port and protocol: refused
  not_a_vip,        ///< not weft's to decide
};
std::string_view to_string(Rule rule);

struct Decision {
  Rule rule = Rule::not_a_vip;
  const Service* service = nullptr;  ///< set for all but the last two rules
  const Target* target = nullptr;    ///< set for the first three rules, and for only_itself
  Judgement judgement = {};          ///< of the service's policies of access, but for mode proxy
};

/// Of a connection to the service whose requests nobody reads.
Judgement judge_connection(const Snapshot& snapshot, const Service& service, const Address& client);

/// Of a service of mode proxy every packet is asked about, so whoever takes its connections judges them once.
/// @param hash of the tuple under the snapshot's seed. The pointers live as long as the snapshot.
Decision decide(const Snapshot& snapshot, const Tuple& tuple, uint64_t hash);

}  // namespace weft::lb
