// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lb/flow_key.h"

namespace weft::lb {

struct HashOfAddress {
  size_t operator()(const Address& address) const { return hash_of(address, 0); }
};

}  // namespace weft::lb
