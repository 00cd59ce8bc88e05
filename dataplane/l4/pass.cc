// SPDX-License-Identifier: Apache-2.0
#include "l4/pass.h"

#include <cstring>

namespace weft::l4 {

Verdict pass(Frame& frame, uint8_t ingress, uint8_t& egress, Claim claim, Context& context, const View& view) {
  const Port& port = view.forwarding.port(ingress);
  if (port.others == Port::Others::drop) {
    return Verdict::not_ours;
  }
  const bool bounded = port.others == Port::Others::kernel && port.others_rate.per_second > 0;
  if (bounded && !context.others[ingress][static_cast<size_t>(claim)].take(port.others_rate, view.now)) {
    return Verdict::kernel_limited;
  }
  const NextHop& hop = view.forwarding[port.others_hop];
  if (!port.keep_addresses) {
    std::memcpy(frame.data, hop.addresses.data(), hop.addresses.size());
  }
  egress = hop.port;
  return port.others == Port::Others::kernel ? Verdict::passed : Verdict::from_kernel;
}

}  // namespace weft::l4
