// SPDX-License-Identifier: Apache-2.0
#include "proxy/proxy_header.h"

#include <bit>
#include <cstring>

#include "packet/headers.h"

namespace weft::proxy {
namespace {

constexpr std::array<uint8_t, 12> kSignature = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr uint8_t kVersion2Proxy = 0x21;
constexpr uint8_t kTcpOverIpv4 = 0x11;
constexpr uint8_t kTcpOverIpv6 = 0x21;

template <typename Address>
struct [[gnu::packed]] Addresses {
  Address source;
  Address destination;
  lb::Port source_port;
  lb::Port destination_port;
};
static_assert(sizeof(Addresses<uint32_t>) == 12 && sizeof(Addresses<std::array<uint8_t, 16>>) == 36);

struct [[gnu::packed]] Fixed {
  std::array<uint8_t, 12> signature = kSignature;
  uint8_t version_and_command = kVersion2Proxy;
  uint8_t family_and_protocol;
  uint16_t length;
};
static_assert(sizeof(Fixed) == 16);

template <typename Address>
size_t write(uint8_t family, const Addresses<Address>& addresses, std::array<std::byte, kMaxProxyHeader>& bytes) {
  const Fixed fixed{.family_and_protocol = family, .length = packet::swap16(sizeof addresses)};
  std::memcpy(bytes.data(), &fixed, sizeof fixed);
  std::memcpy(&bytes[sizeof fixed], &addresses, sizeof addresses);
  return sizeof fixed + sizeof addresses;
}

}  // namespace

size_t write_proxy_header(const tcp::SocketPair& client, std::array<std::byte, kMaxProxyHeader>& bytes) {
  if (client.remote.is_ipv4()) {
    return write(kTcpOverIpv4,
                 Addresses<uint32_t>{static_cast<uint32_t>(client.remote.ipv4()),
                                     static_cast<uint32_t>(client.local.ipv4()), client.remote_port, client.local_port},
                 bytes);
  }
  return write(kTcpOverIpv6,
               Addresses<std::array<uint8_t, 16>>{client.remote.ipv6().bytes, client.local.ipv6().bytes,
                                                  client.remote_port, client.local_port},
               bytes);
}

}  // namespace weft::proxy
