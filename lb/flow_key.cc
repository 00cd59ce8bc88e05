// SPDX-License-Identifier: Apache-2.0
#include "lb/flow_key.h"

namespace weft::lb {

uint64_t hash_of(const Tuple& tuple, uint64_t seed) {
  return tuple.source.is_ipv4() ? hash_of(key_of<FlowKey4>(tuple), seed) : hash_of(key_of<FlowKey6>(tuple), seed);
}

}  // namespace weft::lb
