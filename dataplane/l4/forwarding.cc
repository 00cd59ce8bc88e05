// SPDX-License-Identifier: Apache-2.0
#include "l4/forwarding.h"

#include <algorithm>

namespace weft::l4 {

Forwarding::Forwarding(std::vector<Port> ports, std::vector<NextHop> hops, std::vector<Route> routes)
    : ports_(std::move(ports)), hops_(std::move(hops)), routes_(std::move(routes)) {
  std::stable_sort(routes_.begin(), routes_.end(),
                   [](const Route& a, const Route& b) { return a.prefix.length > b.prefix.length; });
}

}  // namespace weft::l4
