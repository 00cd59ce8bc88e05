// SPDX-License-Identifier: Apache-2.0
#include "flows.h"

#include <algorithm>
#include <random>

#include "packet/checksum.h"
#include "packet/headers.h"

namespace weft::bench {
namespace {

constexpr uint32_t kFirstClient = 0x0b000001;  // 11.0.0.1
constexpr uint32_t kPortsAClient = 32768;
constexpr uint32_t kFirstPort = 1024;

}  // namespace

Flows::Flows(uint32_t count, const Service& service) {
  auto* ethernet = packet::view<packet::EthernetHeader>(template_.data());
  *ethernet = {.destination = {2, 0, 0, 0, 0, 1}, .source = {2, 0, 0, 0, 0, 2}, .type = packet::kEtherTypeIpv4};
  std::byte* ip = template_.data() + sizeof *ethernet;
  *packet::view<packet::Ipv4Header>(ip) = {.version_and_length = 0x45,
                                           .total_length = packet::swap16(kFrameLength - sizeof *ethernet),
                                           .time_to_live = 64,
                                           .protocol = lb::Protocol::udp,
                                           .destination = service.address};
  constexpr uint16_t kUdpLength = kFrameLength - sizeof *ethernet - sizeof(packet::Ipv4Header);
  auto* udp = packet::view<packet::UdpHeader>(ip + sizeof(packet::Ipv4Header));
  *udp = {.destination_port = service.port, .length = packet::swap16(kUdpLength)};

  for (uint32_t i = 0; i < count; ++i) {
    Client client{.address = lb::address_from_host(kFirstClient + i / kPortsAClient),
                  .port = lb::port_from_host(static_cast<uint16_t>(kFirstPort + i % kPortsAClient))};
    packet::view<packet::Ipv4Header>(ip)->source = client.address;
    udp->source_port = client.port;
    client.ip_checksum = packet::checksum_of({ip, sizeof(packet::Ipv4Header)});
    const uint64_t pseudo = packet::pseudo_header_sum(client.address, service.address, lb::Protocol::udp, kUdpLength);
    client.udp_checksum =
        static_cast<uint16_t>(~packet::fold(packet::sum_of({ip + sizeof(packet::Ipv4Header), kUdpLength}, pseudo)));
    clients_.push_back(client);
  }
  std::shuffle(clients_.begin(), clients_.end(), std::mt19937(1));
}

}  // namespace weft::bench
