// SPDX-License-Identifier: Apache-2.0
#include "workload.h"

#include <algorithm>
#include <array>

#include "packet/checksum.h"
#include "packet/headers.h"

namespace weft::bench {
namespace {

constexpr size_t kIp = sizeof(packet::EthernetHeader);
constexpr size_t kShortestFrame = 60;
const lb::Port kVipPort = lb::port_from_host(80);

/// fd00:<network>::<host>, or 10.<network>.x.x.
lb::Address address_of(lb::Family family, uint8_t network, uint32_t host) {
  if (family == lb::Family::ipv4) {
    return lb::address_from_host(0x0a000000 + (uint32_t{network} << 16) + host);
  }
  lb::Ipv6Address address{{0xfd, 0, 0, network}};
  for (size_t i = 0; i < sizeof host; ++i) {
    address.bytes[15 - i] = static_cast<uint8_t>(host >> 8 * i);
  }
  return address;
}
constexpr uint8_t kVips = 96;
constexpr uint8_t kPods = 2;
constexpr uint8_t kClients = 3;

size_t ip_header_of(lb::Family family) {
  return family == lb::Family::ipv4 ? sizeof(packet::Ipv4Header) : sizeof(packet::Ipv6Header);
}

size_t frame_size_of(const Workload& workload) {
  const size_t transport =
      workload.protocol == lb::Protocol::tcp ? sizeof(packet::TcpHeader) : sizeof(packet::UdpHeader);
  return std::max(kShortestFrame, kIp + ip_header_of(workload.family) + transport);
}

std::span<std::byte> addresses_in(lb::Family family, std::byte* frame) {
  return family == lb::Family::ipv4 ? std::span(frame + kIp + offsetof(packet::Ipv4Header, source), 8)
                                    : std::span(frame + kIp + offsetof(packet::Ipv6Header, source), 32);
}

void copy_address(const lb::Address& address, std::byte* to) {
  const auto bytes = std::as_bytes(std::span(address.ipv6().bytes));
  const auto own = address.is_ipv4() ? bytes.last(4) : bytes;
  std::copy(own.begin(), own.end(), to);
}

void set_header_checksum(lb::Family family, std::byte* frame) {
  if (family == lb::Family::ipv4) {
    auto* ip = packet::view<packet::Ipv4Header>(frame + kIp);
    ip->checksum = 0;
    ip->checksum = packet::checksum_of({frame + kIp, sizeof(packet::Ipv4Header)});
  }
}

}  // namespace

std::string Workload::name() const {
  const std::string mode_name = mode == lb::Mode::nat                     ? "nat"
                                : mode == lb::Mode::fullnat               ? "fullnat"
                                : encapsulation == lb::Encapsulation::gue ? "gue"
                                                                          : "ipip";
  return mode_name + (family == lb::Family::ipv4 ? "4/" : "6/") + std::string(to_string(protocol));
}

std::shared_ptr<const lb::Snapshot> snapshot_of(const Workload& workload) {
  lb::Service service{.name = "default/bench",
                      .address = address_of(workload.family, kVips, 1),
                      .port = kVipPort,
                      .protocol = workload.protocol};
  service.policy.mode = workload.mode;
  service.policy.encapsulation = workload.encapsulation;
  const lb::Port port = workload.mode == lb::Mode::dsr ? kVipPort : lb::port_from_host(8080);
  std::vector<lb::MaglevMember> members;
  for (uint32_t i = 0; i < kEndpoints; ++i) {
    service.endpoints.push_back({.address = address_of(workload.family, kPods, i), .port = port, .slot = i});
    members.push_back({.identity = service.endpoints.back().identity()});
  }
  service.table = std::make_shared<lb::MaglevTable>(members, lb::MaglevTable::kDefaultSize, kSeed);
  for (const lb::MaglevMember& member : service.table->members()) {
    const auto endpoint = std::find_if(service.endpoints.begin(), service.endpoints.end(),
                                       [&](const lb::Endpoint& one) { return one.identity() == member.identity; });
    service.targets.push_back({.address = endpoint->address, .port = endpoint->port, .slot = endpoint->slot});
  }
  return std::make_shared<lb::Snapshot>(1, kSeed, std::vector<lb::Service>{std::move(service)});
}

Frame::Frame(const Workload& workload, uint8_t flags) : family_(workload.family), bytes_(frame_size_of(workload)) {
  auto* ethernet = packet::view<packet::EthernetHeader>(bytes_.data());
  const auto ip_length = static_cast<uint16_t>(bytes_.size() - kIp);
  const size_t ip_header = ip_header_of(family_);
  if (family_ == lb::Family::ipv4) {
    ethernet->type = packet::kEtherTypeIpv4;
    *packet::view<packet::Ipv4Header>(bytes_.data() + kIp) = {.version_and_length = packet::kPlainIpv4,
                                                              .total_length = packet::swap16(ip_length),
                                                              .time_to_live = 64,
                                                              .protocol = workload.protocol};
  } else {
    ethernet->type = packet::kEtherTypeIpv6;
    *packet::view<packet::Ipv6Header>(bytes_.data() + kIp) = {
        .version_class_label = packet::kIpv6Version,
        .payload_length = packet::swap16(static_cast<uint16_t>(ip_length - ip_header)),
        .next_header = workload.protocol,
        .hop_limit = 64};
  }
  const auto addresses = addresses_in(family_, bytes_.data());
  copy_address(address_of(family_, kVips, 1), addresses.last(addresses.size() / 2).data());
  std::byte* transport = bytes_.data() + kIp + ip_header;
  if (workload.protocol == lb::Protocol::tcp) {
    *packet::view<packet::TcpHeader>(transport) = {.destination_port = kVipPort, .data_offset = 0x50, .flags = flags};
  } else {
    *packet::view<packet::UdpHeader>(transport) = {
        .destination_port = kVipPort,
        .length = packet::swap16(static_cast<uint16_t>(ip_length - ip_header)),
        .checksum = 1};
  }
}

void Frame::write_request(std::byte* frame, uint32_t flow) const {
  constexpr uint32_t kPortsAClient = 32768;
  std::copy(bytes_.begin(), bytes_.end(), frame);
  copy_address(address_of(family_, kClients, flow / kPortsAClient), addresses_in(family_, frame).data());
  packet::view<packet::UdpHeader>(frame + kIp + ip_header_of(family_))->source_port =
      lb::port_from_host(static_cast<uint16_t>(1024 + flow % kPortsAClient));
  set_header_checksum(family_, frame);
}

void Frame::write_reply(std::byte* frame, const std::byte* request) const {
  std::copy(bytes_.begin(), bytes_.end(), frame);
  std::array<std::byte, 78> copy;
  std::copy(request, request + bytes_.size(), copy.begin());
  const auto from = addresses_in(family_, copy.data());
  const auto to = addresses_in(family_, frame);
  std::rotate_copy(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(from.size() / 2), from.end(), to.begin());
  const std::byte* ports = copy.data() + kIp + ip_header_of(family_);
  std::rotate_copy(ports, ports + 2, ports + 4, frame + kIp + ip_header_of(family_));
  set_header_checksum(family_, frame);
}

}  // namespace weft::bench
