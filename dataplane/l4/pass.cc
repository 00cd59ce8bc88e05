// SPDX-License-Identifier: Apache-2.0
#include "l4/pass.h"

#include <cstring>

namespace weft::l4 {

Verdict pass(Frame& frame, uint8_t ingress, uint8_t& egress, const Forwarding& forwarding) {
  const Port& port = forwarding.port(ingress);
  if (port.others == Port::Others::drop) {
    return Verdict::not_ours;
  }
  const NextHop& hop = forwarding[port.others_hop];
  if (!port.keep_addresses) {
    std::memcpy(frame.data, hop.addresses.data(), hop.addresses.size());
  }
  egress = hop.port;
  return port.others == Port::Others::kernel ? Verdict::passed : Verdict::from_kernel;
}

}  // namespace weft::l4
