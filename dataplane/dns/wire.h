// SPDX-License-Identifier: Apache-2.0
/// @file DNS as it stands on the wire: numbers and offsets (RFC 1035, section 4.1; IANA, Domain Name System
/// Parameters).
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::dns {

constexpr uint16_t kPort = 53;
constexpr size_t kHeader = 12;    ///< bytes
constexpr size_t kMaxName = 255;  ///< with the lengths of its labels and the root
constexpr size_t kMaxLabel = 63;
constexpr size_t kPlainUdp = 512;  ///< that a client takes who says nothing (RFC 1035, section 4.2.1)
/// That weft sends and takes over UDP at most: with IPv6's and UDP's headers it fits every link without fragments
/// (the DNS flag day of 2020).
constexpr size_t kMostUdp = 1232;
/// Of an answer of weft's own over TCP: what an empty send queue takes, with its length. Of what has more records, so
/// many as fit are told, others each time.
constexpr size_t kMostTcp = 65000;
constexpr size_t kOptRecord = 11;  ///< an OPT record without options (RFC 6891, section 6.1.2)

enum class Rcode : uint16_t {
  no_error = 0,
  format_error = 1,
  server_failure = 2,
  name_error = 3,  ///< NXDOMAIN
  not_implemented = 4,
  refused = 5,
  bad_version = 16,  ///< RFC 6891, section 9; its upper half stands in the OPT record
};
constexpr size_t kRcodes = 17;

namespace flag {  // RFC 1035, section 4.1.1; RFC 4035, section 3.2
constexpr uint16_t response = 0x8000;
constexpr uint16_t opcode = 0x7800;
constexpr uint16_t authoritative = 0x0400;
constexpr uint16_t truncated = 0x0200;
constexpr uint16_t recursion_desired = 0x0100;
constexpr uint16_t recursion_available = 0x0080;
constexpr uint16_t authentic_data = 0x0020;
constexpr uint16_t checking_disabled = 0x0010;
constexpr uint16_t rcode = 0x000f;
}  // namespace flag
constexpr uint16_t kDnssecOk = 0x8000;  ///< in an OPT record (RFC 3225)

namespace type {
constexpr uint16_t a = 1;
constexpr uint16_t ns = 2;
constexpr uint16_t soa = 6;
constexpr uint16_t ptr = 12;
constexpr uint16_t hinfo = 13;
constexpr uint16_t txt = 16;
constexpr uint16_t aaaa = 28;
constexpr uint16_t srv = 33;
constexpr uint16_t opt = 41;
constexpr uint16_t tkey = 249;
constexpr uint16_t tsig = 250;
constexpr uint16_t ixfr = 251;
constexpr uint16_t axfr = 252;
constexpr uint16_t any = 255;
}  // namespace type
constexpr uint16_t kInternet = 1;  ///< class IN

}  // namespace weft::dns
