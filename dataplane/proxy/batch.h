// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace weft::proxy {

/// Events whose connections' state is fetched before the first of them is looked at: what a core has under way.
constexpr size_t kBatch = 32;

}  // namespace weft::proxy
